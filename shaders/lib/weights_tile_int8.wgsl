// Tiles of x and W in workgroup memory for matmul, as int8; needs weights_x_int8.wgsl and what that needs before it.

// A row of codes is two vectors; the third of its stride keeps neighbouring rows in different banks.
const STRIDE = 3u;
var<workgroup> sh_x: array<vec4<u32>, TILE_ROWS * STRIDE>;
var<workgroup> sh_x_scale: array<vec2<f32>, TILE_ROWS>;
var<workgroup> sh_w: array<vec4<u32>, TILE_COLS * STRIDE>;
var<workgroup> sh_w_scale: array<vec2<f32>, TILE_COLS>;

// Rows past the end read the last one.
fn fill_tiles(first_row: u32, first_col: u32, group: u32, local_index: u32) {
  for (var i = local_index; i < TILE_COLS + TILE_ROWS; i += WORKGROUP_SIZE) {
    if (i < TILE_COLS) {
      let w = weight_int8_block(min(first_col + i, params.cols - 1u) * params.groups + group);
      sh_w[i * STRIDE] = w.low;
      sh_w[i * STRIDE + 1u] = w.high;
      sh_w_scale[i] = w.scale;
    } else {
      let row = i - TILE_COLS;
      let block = load_block(min(first_row + row, params.rows - 1u) * params.groups + group);
      sh_x[row * STRIDE] = block.low;
      sh_x[row * STRIDE + 1u] = block.high;
      sh_x_scale[row] = block.scale;
    }
  }
}

fn tile_block(row: u32) -> Int8Block {
  return Int8Block(sh_x[row * STRIDE], sh_x[row * STRIDE + 1u], sh_x_scale[row]);
}

fn tile_dots(col: u32, x0: Int8Block, x1: Int8Block, x2: Int8Block, x3: Int8Block) -> vec4<f32> {
  let w = Int8Block(sh_w[col * STRIDE], sh_w[col * STRIDE + 1u], sh_w_scale[col]);
  return vec4(int8_dot(w, x0), int8_dot(w, x1), int8_dot(w, x2), int8_dot(w, x3));
}

fn multiply_tiles(row: u32, col: u32, sums: ptr<function, Sums>) {
  let x0 = tile_block(row);
  let x1 = tile_block(row + 1u);
  let x2 = tile_block(row + 2u);
  let x3 = tile_block(row + 3u);
  (*sums).c0 += tile_dots(col, x0, x1, x2, x3);
  (*sums).c1 += tile_dots(col + COL_STEP, x0, x1, x2, x3);
  (*sums).c2 += tile_dots(col + 2u * COL_STEP, x0, x1, x2, x3);
  (*sums).c3 += tile_dots(col + 3u * COL_STEP, x0, x1, x2, x3);
  (*sums).c4 += tile_dots(col + 4u * COL_STEP, x0, x1, x2, x3);
  (*sums).c5 += tile_dots(col + 5u * COL_STEP, x0, x1, x2, x3);
  (*sums).c6 += tile_dots(col + 6u * COL_STEP, x0, x1, x2, x3);
  (*sums).c7 += tile_dots(col + 7u * COL_STEP, x0, x1, x2, x3);
}
