// Looks up the rows of tokens in the embedding table.
//
//   out[row, i] = table[tokens[row], i]
//
// weight_codes, weight_scales  the table [table_rows, cols], see lib/weights_*.wgsl
// tokens  [rows] u32
// out     [rows, cols] f32, the residual stream
//
// A workgroup owns 4 * WORKGROUP_SIZE neighbouring columns of one row, an invocation four of them.
// Preconditions: cols is a multiple of 32; the grid is [ceil(cols / (4 * WORKGROUP_SIZE)), rows, 1]. A token past the
// table
// reads its last row; the host asserts that there is none.

struct Params {
  cols: u32,
  table_rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> tokens: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let quads = params.cols / 4u;
  let quad = workgroup.x * WORKGROUP_SIZE + local_index;
  if (quad < quads) {
    let token = min(tokens[workgroup.y], params.table_rows - 1u);
    out[workgroup.y * quads + quad] = weight_quad(token * quads + quad);
  }
}
