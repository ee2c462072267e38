// Stores a whole attention head, held by one invocation, as elements. Shared call with store_head_int8.wgsl.
// out  [rows, cols] elem

@group(0) @binding(8) var<storage, read_write> out: array<elem4>;

// head * factor goes to quads first_quad and following; HEAD_QUADS is a const of the kernel.
fn store_head(first_quad: u32, head: ptr<function, array<vec4<f32>, HEAD_QUADS>>, factor: f32) {
  for (var quad = 0u; quad < HEAD_QUADS; quad++) {
    out[first_quad + quad] = elem4((*head)[quad] * factor);
  }
}
