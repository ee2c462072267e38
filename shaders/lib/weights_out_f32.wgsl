// Where a matrix product leaves its results: as f32, whatever the elements are; for logits, and, where the kernel's
// params.add is 1, added to what is there; for the residual stream.
// out  [rows, weight rows] f32

@group(0) @binding(5) var<storage, read_write> out: array<f32>;

fn put(index: u32, value: f32) {
  if (params.add == 1u) {
    out[index] += value;
  } else {
    out[index] = value;
  }
}
