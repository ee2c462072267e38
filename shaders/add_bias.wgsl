// The bias of a projection, added to its output in place.
//
//   y[row, i] += bias[i]
//
// y     [rows, cols] elem, in and out
// bias  [cols] f32
//
// A workgroup owns 4 * WORKGROUP_SIZE neighbouring columns of one row, an invocation four of them. Sums are in f32.
// Preconditions: cols is a multiple of 4; the grid is [ceil(cols / (4 * WORKGROUP_SIZE)), rows, 1].

struct Params {
  cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<elem4>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let quads = params.cols / 4u;
  let quad = workgroup.x * WORKGROUP_SIZE + local_index;
  if (quad >= quads) {
    return;
  }
  let at = workgroup.y * quads + quad;
  y[at] = elem4(vec4<f32>(y[at]) + bias[quad]);
}
