// Stores activations as int8 codes with a scale for each group of 32; needs quantise.wgsl before it. Called by all
// invocations in uniform control flow. `quad` counts groups of four elements over the whole tensor; a row is a whole
// number of groups of 32, and eight invocations with neighbouring local indices hold one group.
// codes   [rows, cols / 4] u32, four int8 each, the first element in the low byte
// scales  [rows, cols / 32] (scale, scale * sum of the group's codes)

@group(0) @binding(8) var<storage, read_write> codes: array<u32>;
@group(0) @binding(9) var<storage, read_write> scales: array<vec2<f32>>;

fn store_activation(quad: u32, value: vec4<f32>, inside: bool, local_index: u32) {
  let quantised = quantise_group(value, local_index);
  if (inside) {
    codes[quad] = quantised.codes;
    if ((local_index & 7u) == 0u) {
      scales[quad / 8u] = quantised.scale;
    }
  }
}
