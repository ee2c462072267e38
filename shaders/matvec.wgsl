// A weight matrix times one row of activations.
//
//   out[n] = sum_k W[n, k] * x[k], stored or added
//
// weight_codes, weight_scales  W [rows, 32 * groups], see lib/weights_*.wgsl
// x, or x_codes and x_scales   x [32 * groups], see lib/weights_x_*.wgsl
// out                          [rows], see lib/weights_out_*.wgsl
//
// Four neighbouring rows of W are owned by a workgroup or by one invocation, as lib/weights_rows_*.wgsl says; a turn
// of the
// loop takes one group of 32 columns of all four.
// Preconditions: ceil(rows / rows of a workgroup) workgroups, wrapped at GRID_WIDTH into the second dimension.

override LANES: u32 = 64;  // invocations of a workgroup, a power of two

struct Params {
  rows: u32,
  groups: u32,
  add: u32,  // 1 adds to an out of f32
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let row = first_row(workgroup.y * GRID_WIDTH + workgroup.x, local_index);
  let last = params.rows - 1u;
  let groups = params.groups;
  // Rows past the end read the last one and are not stored.
  let w0 = min(row, last) * groups;
  let w1 = min(row + 1u, last) * groups;
  let w2 = min(row + 2u, last) * groups;
  let w3 = min(row + 3u, last) * groups;
  var sums = vec4<f32>();
  for (var group = first_group(local_index); group < groups; group += GROUP_STEP) {
    let block = load_block(group);
    sums.x += weight_dot(w0 + group, block);
    sums.y += weight_dot(w1 + group, block);
    sums.z += weight_dot(w2 + group, block);
    sums.w += weight_dot(w3 + group, block);
  }
  sums = reduce_rows(sums, local_index);
  if (stores_rows(local_index)) {
    for (var i = 0u; i < 4u; i++) {
      if (row + i < params.rows) {
        put(row + i, sums[i]);
      }
    }
  }
}
