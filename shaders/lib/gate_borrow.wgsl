// The gate borrowed from the last channel of the first query head of each group, after the head norm and before RoPE.
// The channel is then 0 for attention, whether or not bits are in use.

const GATE_BORROWS: bool = true;
const GATE_ADAPTER: bool = false;

fn adapter_logit(row: u32, kv_head: u32, local_index: u32) -> f32 {
  return 0.0;
}
