// Stores activations as elements. Shared call with store_int8.wgsl; the kernel's own bindings are 0 to 7.
// out  [rows, cols] elem

@group(0) @binding(8) var<storage, read_write> out: array<elem4>;

fn store_activation(quad: u32, value: vec4<f32>, inside: bool, local_index: u32) {
  if (inside) {
    out[quad] = elem4(value);
  }
}
