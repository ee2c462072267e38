// The gated activation of the feed-forward block.
//
//   y[row, i] = silu(gate[row, i]) * up[row, i],  silu(a) = a / (1 + exp(-a))
//
// gate_up  [rows, 2 * cols] elem: gate, then up, row by row
// out, or codes and scales: y [rows, cols], see lib/store_float.wgsl and lib/store_int8.wgsl
//
// A workgroup owns 4 * WORKGROUP_SIZE neighbouring columns of one row, an invocation four of them.
// Preconditions: cols is a multiple of 32; the grid is [ceil(cols / (4 * WORKGROUP_SIZE)), rows, 1].

struct Params {
  cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate_up: array<elem4>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let row = workgroup.y;
  let quads = params.cols / 4u;
  let quad = workgroup.x * WORKGROUP_SIZE + local_index;
  let inside = quad < quads;
  var y = vec4<f32>();
  if (inside) {
    let gate = vec4<f32>(gate_up[row * 2u * quads + quad]);
    let up = vec4<f32>(gate_up[(row * 2u + 1u) * quads + quad]);
    y = gate / (1.0 + exp(-gate)) * up;
  }
  store_activation(row * quads + quad, y, inside, local_index);
}
