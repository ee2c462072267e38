// Root-mean-square normalisation of the residual stream.
//
//   y[row, i] = x[row_offset + row, i] / sqrt(mean_i(x[row_offset + row, i]^2) + eps) * weight[i]
//
// x       [row_offset + rows, cols] f32, the residual stream
// weight  [cols] f32
// out, or codes and scales: y [rows, cols], see lib/store_float.wgsl and lib/store_int8.wgsl
//
// A workgroup owns a row, an invocation every WORKGROUP_SIZE-th group of four columns.
// Preconditions: cols is a multiple of 32; the grid is [rows, 1, 1].

struct Params {
  cols: u32,
  row_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let row = workgroup.x;
  let quads = params.cols / 4u;
  let first = (params.row_offset + row) * quads;
  var squares = 0.0;
  for (var quad = local_index; quad < quads; quad += WORKGROUP_SIZE) {
    let value = x[first + quad];
    squares += dot(value, value);
  }
  let scale = inverseSqrt(reduce_add(squares, local_index) / f32(params.cols) + params.eps);
  // Every invocation makes every turn, because store_activation may hold barriers.
  for (var base = 0u; base < quads; base += WORKGROUP_SIZE) {
    let quad = base + local_index;
    let inside = quad < quads;
    var y = vec4<f32>();
    if (inside) {
      y = x[first + quad] * scale * weight[quad];
    }
    store_activation(row * quads + quad, y, inside, local_index);
  }
}
