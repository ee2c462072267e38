// Weights of four bits with a minimum, value = d * q + m, in groups of 32 along a row; needs weights_block.wgsl
// before it.
// weight_codes   [rows, cols / 32] vec4<u32>: byte j of the 16 holds element j (low nibble) and j + 16 (high nibble)
// weight_scales  [rows, cols / 32] u32: f16 d in the low half, f16 m in the high half
// `group` counts groups over the whole matrix.

@group(0) @binding(1) var<storage, read> weight_codes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> weight_scales: array<u32>;

// Four weights; `quad` counts fours over the whole matrix.
fn weight_quad(quad: u32) -> vec4<f32> {
  let group = quad / 8u;
  let scale = unpack2x16float(weight_scales[group]);
  return scale.x * nibble_quad(weight_codes[group], quad & 7u) + scale.y;
}

fn weight_dot_float(group: u32, x: FloatBlock) -> f32 {
  let scale = unpack2x16float(weight_scales[group]);
  return scale.x * nibble_dot_float(weight_codes[group], x) + scale.y * x.sum;
}

fn weight_int8_block(group: u32) -> Int8Block {
  return nibble_block(weight_codes[group], unpack2x16float(weight_scales[group]));
}
