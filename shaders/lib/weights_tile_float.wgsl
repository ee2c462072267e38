// Tiles of x and W in workgroup memory for matmul, as f32; needs weights_x_float.wgsl and what that needs before it.

// A row of 32 elements is eight vectors; the ninth of its stride keeps neighbouring rows in different banks.
const QUADS = 8u;
const STRIDE = 9u;
var<workgroup> sh_x: array<vec4<f32>, TILE_ROWS * STRIDE>;
var<workgroup> sh_w: array<vec4<f32>, TILE_COLS * STRIDE>;

// Rows past the end read the last one.
fn fill_tiles(first_row: u32, first_col: u32, group: u32, local_index: u32) {
  for (var i = local_index; i < TILE_ROWS * QUADS; i += WORKGROUP_SIZE) {
    let row = min(first_row + i / QUADS, params.rows - 1u);
    sh_x[i / QUADS * STRIDE + i % QUADS] = vec4<f32>(x[(row * params.groups + group) * QUADS + i % QUADS]);
  }
  for (var i = local_index; i < TILE_COLS * QUADS; i += WORKGROUP_SIZE) {
    let col = min(first_col + i / QUADS, params.cols - 1u);
    sh_w[i / QUADS * STRIDE + i % QUADS] = weight_quad((col * params.groups + group) * QUADS + i % QUADS);
  }
}

fn tile_dots(at: u32, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>) -> vec4<f32> {
  let w = sh_w[at];
  return vec4(dot(w, x0), dot(w, x1), dot(w, x2), dot(w, x3));
}

fn multiply_tiles(row: u32, col: u32, sums: ptr<function, Sums>) {
  let step = COL_STEP * STRIDE;
  for (var quad = 0u; quad < QUADS; quad++) {
    let first = row * STRIDE + quad;
    let x0 = sh_x[first];
    let x1 = sh_x[first + STRIDE];
    let x2 = sh_x[first + 2u * STRIDE];
    let x3 = sh_x[first + 3u * STRIDE];
    let at = col * STRIDE + quad;
    (*sums).c0 += tile_dots(at, x0, x1, x2, x3);
    (*sums).c1 += tile_dots(at + step, x0, x1, x2, x3);
    (*sums).c2 += tile_dots(at + 2u * step, x0, x1, x2, x3);
    (*sums).c3 += tile_dots(at + 3u * step, x0, x1, x2, x3);
    (*sums).c4 += tile_dots(at + 4u * step, x0, x1, x2, x3);
    (*sums).c5 += tile_dots(at + 5u * step, x0, x1, x2, x3);
    (*sums).c6 += tile_dots(at + 6u * step, x0, x1, x2, x3);
    (*sums).c7 += tile_dots(at + 7u * step, x0, x1, x2, x3);
  }
}
