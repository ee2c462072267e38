// Gives the rows of an attended chunk their slots, as if they had been pushed one by one (up to a permutation of
// slots).
//
//   flag of row r:  bit of row r + 1 (shift 1; last row: 0), or of row r (shift 0)
//   with n = position, n' = n + rows, R = ring_size:
//   holes:          slots of flagged tokens p < n with n - R <= p < n' - R, in order of p
//   dropped rows:   flagged rows r with n + r < n' - R
//   survivor k:     takes hole k, or past the holes slot live + (k - holes);  live += survivors - holes
//
// Needs chunk.wgsl before it (alpha, ring). The ring gets the chunk's tokens at n' - R and later.
// live         [.., kv_heads] slots in use
// slot_of_row  [kv_heads, out_stride] slot of each row, DROPPED for a dropped one
// dropped      [.., kv_heads, dropped_stride] a bit for each token of the chat: set when its slot is freed or not given
//
// There are never more holes than survivors: with rows <= R no row is dropped (n' - R <= n) and the holes are at most
// `rows` tokens; with rows > R the last R rows survive and the holes are at most the R tokens of the ring.
// A workgroup owns one KV head, an invocation ITEMS neighbouring hole candidates and rows. The grid is [kv_heads, 1,
// 1].
// Preconditions: prefill_mask ran for this chunk (it flags the token before it); rows <= ITEMS * WORKGROUP_SIZE.

@group(0) @binding(3) var<storage, read_write> live: array<u32>;
@group(0) @binding(4) var<storage, read_write> slot_of_row: array<u32>;
@group(0) @binding(5) var<storage, read_write> dropped: array<atomic<u32>>;

const DROPPED = 0xffffffffu;

var<workgroup> sh_holes: array<u32, ITEMS * WORKGROUP_SIZE>;
var<workgroup> sh_scan: array<vec2<u32>, WORKGROUP_SIZE>;

fn note_dropped(token: u32, head: u32) {
  let word = params.dropped_base + head * params.dropped_stride + token / 32u;
  atomicOr(&dropped[word], 1u << (token % 32u));
}

// Inclusive sums over the workgroup; called in uniform control flow. The totals stay in sh_scan's last element.
fn scan(value: vec2<u32>, local_index: u32) -> vec2<u32> {
  var sum = value;
  for (var step = 1u; step < WORKGROUP_SIZE; step <<= 1u) {
    sh_scan[local_index] = sum;
    workgroupBarrier();
    if (local_index >= step) {
      sum += sh_scan[local_index - step];
    }
    workgroupBarrier();
  }
  sh_scan[local_index] = sum;
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let head = workgroup.x;
  let n = params.position;
  let size = params.ring_size;
  let ring_first = params.ring_base + head * size;
  let length = live[params.live_base + head];
  let oldest = max(n, size) - size;                       // first token that the ring holds
  let leaving = max(n + params.rows, size) - size;        // tokens before this one leave the ring with this chunk
  let candidates = min(n, leaving) - oldest;

  var freed = array<u32, ITEMS>();
  var counts = vec2<u32>();                               // holes and survivors of this invocation
  for (var item = 0u; item < ITEMS; item++) {
    let i = local_index * ITEMS + item;
    if (i < candidates) {
      freed[item] = ring[ring_first + (oldest + i) % size];
    }
    let survives = i < params.rows && (n + i >= leaving || !flag_of_row(i, head));
    counts += vec2(freed[item] >> 31u, u32(survives));
  }
  let before = scan(counts, local_index) - counts;
  let totals = sh_scan[WORKGROUP_SIZE - 1u];
  var hole = before.x;
  for (var item = 0u; item < ITEMS; item++) {
    if (freed[item] > SLOT_MASK) {
      sh_holes[hole] = freed[item] & SLOT_MASK;
      note_dropped(oldest + local_index * ITEMS + item, head);
      hole++;
    }
  }
  // Every hole and length has been read; from here on the ring and the lengths are written.
  storageBarrier();
  workgroupBarrier();

  var survivor = before.y;
  for (var item = 0u; item < ITEMS; item++) {
    let row = local_index * ITEMS + item;
    if (row >= params.rows) {
      continue;
    }
    let flagged = flag_of_row(row, head);
    let stays = n + row >= leaving;
    var slot = DROPPED;
    if (stays || !flagged) {
      slot = length + survivor - totals.x;
      if (survivor < totals.x) {
        slot = sh_holes[survivor];
      }
      survivor++;
    } else {
      note_dropped(n + row, head);
    }
    slot_of_row[head * params.out_stride + row] = slot;
    if (stays) {
      ring[ring_first + (n + row) % size] = slot | (u32(flagged) << 31u);
    }
  }
  if (local_index == 0u) {
    live[params.live_base + head] = length + totals.y - totals.x;
  }
}
