// A chunk of a prompt and the state of one layer before it, for the kernels that walk it.
// alpha  [.., rows, kv_heads] u32 bits; head h reads its own, or head 0's where per_head is 0
// ring   [.., kv_heads, ring_size] slot | flag << 31 of the last ring_size tokens, token p at index p % ring_size

struct Params {
  position: u32,  // tokens seen before the chunk
  rows: u32,
  ring_size: u32,
  shift: u32,
  per_head: u32,
  kv_heads: u32,
  out_stride: u32,  // words of one head in the kernel's output
  alpha_base: u32,
  ring_base: u32,
  live_base: u32,
  dropped_base: u32,
  dropped_stride: u32,  // words of one head in the record of dropped tokens
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> alpha: array<u32>;
@group(0) @binding(2) var<storage, read_write> ring: array<u32>;

const SLOT_MASK = 0x7fffffffu;

fn bit_of_row(row: u32, head: u32) -> u32 {
  return alpha[params.alpha_base + row * params.kv_heads + select(0u, head, params.per_head != 0u)];
}

// Whether a row is flagged, as far as the chunk tells: under shift 1 the last row's fate is unknown.
fn flag_of_row(row: u32, head: u32) -> bool {
  let judge = row + params.shift;
  return judge < params.rows && bit_of_row(judge, head) != 0u;
}
