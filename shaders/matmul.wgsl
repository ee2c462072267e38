// A weight matrix times many rows of activations.
//
//   out[m, n] = sum_k x[m, k] * W[n, k], stored or added
//
// weight_codes, weight_scales  W [cols, 32 * groups], see lib/weights_*.wgsl
// x, or x_codes and x_scales   x [rows, 32 * groups], see lib/weights_x_*.wgsl
// out                          [rows, cols], see lib/weights_out_*.wgsl
//
// A workgroup owns a tile of TILE_ROWS x TILE_COLS results and takes 32 columns of x and W a turn through workgroup
// memory,
// see lib/weights_tile_*.wgsl. An invocation owns four neighbouring rows by eight columns, COL_STEP apart.
// Preconditions: the grid is [ceil(cols / TILE_COLS), ceil(rows / TILE_ROWS), 1].

struct Params {
  rows: u32,
  cols: u32,
  groups: u32,
  add: u32,  // 1 adds to an out of f32
}

@group(0) @binding(0) var<uniform> params: Params;

// Results of one invocation: a vector a column, an element a row.
struct Sums {
  c0: vec4<f32>, c1: vec4<f32>, c2: vec4<f32>, c3: vec4<f32>,
  c4: vec4<f32>, c5: vec4<f32>, c6: vec4<f32>, c7: vec4<f32>,
}

fn put_col(row: u32, col: u32, sums: vec4<f32>) {
  if (col >= params.cols) {
    return;
  }
  for (var i = 0u; i < 4u; i++) {
    if (row + i < params.rows) {
      put((row + i) * params.cols + col, sums[i]);
    }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let first_row = workgroup.y * TILE_ROWS;
  let first_col = workgroup.x * TILE_COLS;
  let tile_row = local_index / COL_STEP * 4u;
  let tile_col = local_index % COL_STEP;
  var sums: Sums;
  for (var group = 0u; group < params.groups; group++) {
    fill_tiles(first_row, first_col, group, local_index);
    workgroupBarrier();
    multiply_tiles(tile_row, tile_col, &sums);
    workgroupBarrier();
  }
  let row = first_row + tile_row;
  let col = first_col + tile_col;
  put_col(row, col, sums.c0);
  put_col(row, col + COL_STEP, sums.c1);
  put_col(row, col + 2u * COL_STEP, sums.c2);
  put_col(row, col + 3u * COL_STEP, sums.c3);
  put_col(row, col + 4u * COL_STEP, sums.c4);
  put_col(row, col + 5u * COL_STEP, sums.c5);
  put_col(row, col + 6u * COL_STEP, sums.c6);
  put_col(row, col + 7u * COL_STEP, sums.c7);
}
