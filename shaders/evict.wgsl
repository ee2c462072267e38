// The eviction decision of one token: which slot it takes on each KV head of a layer, by the ring of the last tokens.
//
//   c = n mod R;  slot = ring[c].slot if ring[c].flag else live++
//   shift 1: the token's bit becomes the flag of ring[(n - 1) mod R]; shift 0: its own flag;  ring[c] = (slot, flag)
//
// alpha  [.., kv_heads] u32, this token's bits; only the first counts when per_head is 0
// state  u32: state[0] != 0 says that generation has halted; nothing changes then, and no slot is given
// ring   [.., kv_heads, ring_size] u32, slot | flag << 31
// live   [.., kv_heads] u32, slots in use
// slots  [.., kv_heads] u32, out: the token's slot, or 0xffffffff when halted
// dropped [.., kv_heads, dropped_stride] u32, a bit for each token of the chat: set when its slot was taken
//
// An invocation owns a KV head. Preconditions: ring_size >= 2; the grid is [ceil(kv_heads / WORKGROUP_SIZE), 1, 1].
// Entries of the first ring_size tokens are never read as flagged, so the ring needs no clearing.

struct Params {
  position: u32,   // n: tokens seen before this one
  ring_size: u32,  // R = w + 1
  shift: u32,
  kv_heads: u32,
  per_head: u32,
  alpha_base: u32,
  ring_base: u32,
  live_base: u32,
  slot_base: u32,
  dropped_base: u32,
  dropped_stride: u32,  // words of a head
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> alpha: array<u32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> ring: array<u32>;
@group(0) @binding(4) var<storage, read_write> live: array<u32>;
@group(0) @binding(5) var<storage, read_write> slots: array<u32>;
@group(0) @binding(6) var<storage, read_write> dropped: array<u32>;

const FLAG = 0x80000000u;
const NO_SLOT = 0xffffffffu;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x;
  if (head >= params.kv_heads) {
    return;
  }
  if (state[0] != 0u) {
    slots[params.slot_base + head] = NO_SLOT;
    return;
  }
  let n = params.position;
  let first = params.ring_base + head * params.ring_size;
  let at = first + n % params.ring_size;
  let bit = alpha[params.alpha_base + select(0u, head, params.per_head != 0u)];

  let leaving = ring[at];
  var slot = leaving & ~FLAG;
  if (n < params.ring_size || (leaving & FLAG) == 0u) {
    slot = live[params.live_base + head];
    live[params.live_base + head] = slot + 1u;
  } else {
    let gone = n - params.ring_size;
    dropped[params.dropped_base + head * params.dropped_stride + gone / 32u] |= 1u << (gone % 32u);
  }
  if (params.shift != 0u && n > 0u) {
    let before = first + (n - 1u) % params.ring_size;
    ring[before] = (ring[before] & ~FLAG) | select(0u, FLAG, bit != 0u);
  }
  ring[at] = slot | select(0u, FLAG, params.shift == 0u && bit != 0u);
  slots[params.slot_base + head] = slot;
}
