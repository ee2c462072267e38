// The DMS mask of one chunk of a prompt, as the last query position that may attend each key.
//
//   until(key at position p) = p + w if the key is flagged, else UNLIMITED;  w = ring_size - 1
//   flag of chunk row r      = bit of row r + 1 (shift 1; the last row's fate is unknown: unflagged), or of row r
//   (shift 0)
//
// Needs chunk.wgsl before it (alpha, ring).
// live   [.., kv_heads] slots in use before the chunk
// until  [kv_heads, out_stride]: slots 0 .. live - 1, then the chunk's rows
//
// Under shift 1 the first row's bit is about the last token before the chunk: its flag is set in the ring.
// A workgroup owns one KV head. The grid is [kv_heads, 1, 1].
// Preconditions: live + rows <= out_stride; every slot in the ring is below live; ring_size >= 2.

@group(0) @binding(3) var<storage, read> live: array<u32>;
@group(0) @binding(4) var<storage, read_write> until: array<u32>;

const UNLIMITED = 0xffffffffu;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let head = workgroup.x;
  let position = params.position;
  let window = params.ring_size - 1u;
  let first = head * params.out_stride;
  let old = live[params.live_base + head];

  for (var slot = local_index; slot < old; slot += WORKGROUP_SIZE) {
    until[first + slot] = UNLIMITED;
  }
  for (var row = local_index; row < params.rows; row += WORKGROUP_SIZE) {
    until[first + old + row] = select(UNLIMITED, position + row + window, flag_of_row(row, head));
  }
  storageBarrier();

  let ring_first = params.ring_base + head * params.ring_size;
  for (var p = max(position, params.ring_size) - params.ring_size + local_index; p < position; p += WORKGROUP_SIZE) {
    let at = ring_first + p % params.ring_size;
    var entry = ring[at];
    if (params.shift != 0u && p + 1u == position) {
      entry = (entry & SLOT_MASK) | (bit_of_row(0u, head) << 31u);
      ring[at] = entry;
    }
    if (entry > SLOT_MASK) {
      until[first + (entry & SLOT_MASK)] = p + window;
    }
  }
}
