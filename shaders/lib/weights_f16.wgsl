// Half-precision weights, read without the f16 feature; needs weights_block.wgsl before it.
// weight_codes  [rows, cols / 8] vec4<u32>: two halves a word, the first in the low half
// A group is 32 neighbouring elements of a row; `group` counts them over the whole matrix.

@group(0) @binding(1) var<storage, read> weight_codes: array<vec4<u32>>;

// Four weights; `quad` counts fours over the whole matrix.
fn weight_quad(quad: u32) -> vec4<f32> {
  let words = weight_codes[quad / 2u];
  let pair = select(words.xy, words.zw, (quad & 1u) == 1u);
  return vec4(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

fn eight_dot(words: vec4<u32>, first: vec4<f32>, second: vec4<f32>) -> f32 {
  return dot(vec4(unpack2x16float(words.x), unpack2x16float(words.y)), first)
    + dot(vec4(unpack2x16float(words.z), unpack2x16float(words.w)), second);
}

fn weight_dot_float(group: u32, x: FloatBlock) -> f32 {
  let first = group * 4u;
  return eight_dot(weight_codes[first], x.q0, x.q1) + eight_dot(weight_codes[first + 1u], x.q2, x.q3)
    + eight_dot(weight_codes[first + 2u], x.q4, x.q5) + eight_dot(weight_codes[first + 3u], x.q6, x.q7);
}
