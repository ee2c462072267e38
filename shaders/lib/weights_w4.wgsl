// Weights of four bits, value = d * (q - 8), in groups of 32 along a row; needs weights_block.wgsl before it.
// weight_codes   [rows, cols / 32] vec4<u32>: byte j of the 16 holds element j (low nibble) and j + 16 (high nibble)
// weight_scales  [rows * cols / 64] u32: the f16 d of two neighbouring groups, the even one in the low half
// `group` counts groups over the whole matrix.

@group(0) @binding(1) var<storage, read> weight_codes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> weight_scales: array<u32>;

fn weight_scale(group: u32) -> f32 {
  let pair = unpack2x16float(weight_scales[group / 2u]);
  return select(pair.x, pair.y, (group & 1u) == 1u);
}

// Four weights; `quad` counts fours over the whole matrix.
fn weight_quad(quad: u32) -> vec4<f32> {
  let group = quad / 8u;
  return weight_scale(group) * (nibble_quad(weight_codes[group], quad & 7u) - 8.0);
}

fn weight_dot_float(group: u32, x: FloatBlock) -> f32 {
  return weight_scale(group) * (nibble_dot_float(weight_codes[group], x) - 8.0 * x.sum);
}

fn weight_int8_block(group: u32) -> Int8Block {
  let d = weight_scale(group);
  return nibble_block(weight_codes[group], vec2(d, -8.0 * d));
}
