// Weights of four bits, value = d * (q - 8), in groups of 32 along a row; needs weights_block.wgsl and
// weights_scales.wgsl before it.
// weight_codes   [rows, cols / 32] vec4<u32>: byte j of the 16 holds element j (low nibble) and j + 16 (high nibble)
// `group` counts groups over the whole matrix.

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
