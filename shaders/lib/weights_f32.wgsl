// Single-precision weights; needs weights_block.wgsl before it.
// weight_codes  [rows, cols / 4] vec4<f32>
// A group is 32 neighbouring elements of a row; `group` counts them over the whole matrix.

@group(0) @binding(1) var<storage, read> weight_codes: array<vec4<f32>>;

// Four weights; `quad` counts fours over the whole matrix.
fn weight_quad(quad: u32) -> vec4<f32> {
  return weight_codes[quad];
}

fn weight_dot_float(group: u32, x: FloatBlock) -> f32 {
  let first = group * 8u;
  return dot(weight_codes[first], x.q0) + dot(weight_codes[first + 1u], x.q1)
    + dot(weight_codes[first + 2u], x.q2) + dot(weight_codes[first + 3u], x.q3)
    + dot(weight_codes[first + 4u], x.q4) + dot(weight_codes[first + 5u], x.q5)
    + dot(weight_codes[first + 6u], x.q6) + dot(weight_codes[first + 7u], x.q7);
}
