// Where a matrix product leaves its results: as elements.
// out  [rows, weight rows] elem

@group(0) @binding(5) var<storage, read_write> out: array<elem>;

fn put(index: u32, value: f32) {
  out[index] = elem(value);
}
