// The activations of a matrix product as int8 codes; needs weights_block.wgsl and a weights_*.wgsl before it.
// x_codes   [rows, cols / 16] vec4<u32>: int8 in the order of the elements, the first in the low byte
// x_scales  [rows, cols / 32] (scale, scale * sum of the group's codes)
// `group` counts groups of 32 over the whole activation.

@group(0) @binding(3) var<storage, read> x_codes: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> x_scales: array<vec2<f32>>;

alias Block = Int8Block;

fn load_block(group: u32) -> Block {
  return Block(x_codes[group * 2u], x_codes[group * 2u + 1u], x_scales[group]);
}

fn weight_dot(group: u32, block: Block) -> f32 {
  return int8_dot(weight_int8_block(group), block);
}
