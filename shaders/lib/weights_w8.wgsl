// Weights of eight bits, value = d * q, in groups of 32 along a row; needs weights_block.wgsl and
// weights_scales.wgsl before it.
// weight_codes   [rows, cols / 32, 2] vec4<u32>: int8 in the order of the elements, the first in the low byte
// `group` counts groups over the whole matrix.

// Four weights; `quad` counts fours over the whole matrix.
fn weight_quad(quad: u32) -> vec4<f32> {
  return weight_scale(quad / 8u) * vec4<f32>(unpack4xI8(weight_codes[quad / 4u][quad & 3u]));
}

fn weight_dot_float(group: u32, x: FloatBlock) -> f32 {
  let low = weight_codes[group * 2u];
  let high = weight_codes[group * 2u + 1u];
  let sum = dot(vec4<f32>(unpack4xI8(low.x)), x.q0) + dot(vec4<f32>(unpack4xI8(low.y)), x.q1)
    + dot(vec4<f32>(unpack4xI8(low.z)), x.q2) + dot(vec4<f32>(unpack4xI8(low.w)), x.q3)
    + dot(vec4<f32>(unpack4xI8(high.x)), x.q4) + dot(vec4<f32>(unpack4xI8(high.y)), x.q5)
    + dot(vec4<f32>(unpack4xI8(high.z)), x.q6) + dot(vec4<f32>(unpack4xI8(high.w)), x.q7);
  return weight_scale(group) * sum;
}

fn weight_int8_block(group: u32) -> Int8Block {
  return Int8Block(weight_codes[group * 2u], weight_codes[group * 2u + 1u], vec2(weight_scale(group), 0.0));
}
