// No learned gate: the bit follows from the policy alone.

const GATE_BORROWS: bool = false;
const GATE_ADAPTER: bool = false;

fn adapter_logit(row: u32, kv_head: u32, local_index: u32) -> f32 {
  return 0.0;
}
