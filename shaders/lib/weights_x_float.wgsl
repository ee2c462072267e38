// The activations of a matrix product as elements; needs weights_block.wgsl and a weights_*.wgsl before it.
// x  [rows, cols] elem
// `group` counts groups of 32 over the whole activation.

@group(0) @binding(3) var<storage, read> x: array<elem4>;

alias Block = FloatBlock;

fn load_block(group: u32) -> Block {
  let first = group * 8u;
  var block: Block;
  block.q0 = vec4<f32>(x[first]);
  block.q1 = vec4<f32>(x[first + 1u]);
  block.q2 = vec4<f32>(x[first + 2u]);
  block.q3 = vec4<f32>(x[first + 3u]);
  block.q4 = vec4<f32>(x[first + 4u]);
  block.q5 = vec4<f32>(x[first + 5u]);
  block.q6 = vec4<f32>(x[first + 6u]);
  block.q7 = vec4<f32>(x[first + 7u]);
  let sum = (block.q0 + block.q1) + (block.q2 + block.q3) + (block.q4 + block.q5) + (block.q6 + block.q7);
  block.sum = sum.x + sum.y + sum.z + sum.w;
  return block;
}

fn weight_dot(group: u32, block: Block) -> f32 {
  return weight_dot_float(group, block);
}
