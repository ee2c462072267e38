// From a token's projections to what attention needs: head norm, the eviction bit, rotary position embedding.
//
//   x = head_norm(qkv[row, head]);  x1' = x1 * cos - x2 * sin,  x2' = x2 * cos + x1 * sin   (x1, x2: halves of the
//   head)
//   bit[row, g] = 0 | logit * scale - offset > 0 | position + row - shift >= sinks   (bit_mode 0 | 1 | 2)
//
// qkv    [rows, (heads + 2 * kv_heads) * HEAD_DIM] elem: queries, keys, values; the values are not read
// rope   [rows, HEAD_DIM] f32: the cosines of HEAD_DIM / 2 frequencies, then the sines
// q      [rows, heads * HEAD_DIM] elem, out
// k      [rows, kv_heads * HEAD_DIM] elem, out
// alpha  [.., rows, kv_heads] u32, out: the bits
// head_norm: see lib/head_norm_*.wgsl; x and gate: see lib/gate_*.wgsl, which says where the logit comes from
//
// An invocation owns four channels of each half of a head of a row, HEAD_DIM / 8 neighbours own the head and a
// workgroup
// owns HEADS heads. With the adapter's gate, a workgroup more for each bit. Sums and decisions are in f32.
// Precondition: the grid is [ceil(rows * (heads + kv_heads) / HEADS) + (adapter: rows * kv_heads), 1, 1].

struct Params {
  rows: u32,
  heads: u32,
  kv_heads: u32,
  position: u32,    // of the first row
  bit_mode: u32,
  shift: u32,
  sinks: u32,
  hidden: u32,
  alpha_base: u32,  // words
  scale: f32,
  offset: f32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<elem4>;
@group(0) @binding(2) var<storage, read> rope: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> q: array<elem4>;
@group(0) @binding(4) var<storage, read_write> k: array<elem4>;
@group(0) @binding(5) var<storage, read_write> alpha: array<u32>;

const LANES = HEAD_DIM / 8u;
const HEADS = WORKGROUP_SIZE / LANES;
const BIT_LEARNED = 1u;
const BIT_WINDOW = 2u;

// Channels 4 * lane and following of a head, and the same of its second half.
struct Halves {
  low: vec4<f32>,
  high: vec4<f32>,
}

fn store_bit(row: u32, kv_head: u32, logit: f32) {
  var bit = false;
  if (params.bit_mode == BIT_LEARNED) {
    bit = logit * params.scale - params.offset > 0.0;
  } else if (params.bit_mode == BIT_WINDOW) {
    bit = params.position + row >= params.sinks + params.shift;
  }
  alpha[params.alpha_base + row * params.kv_heads + kv_head] = u32(bit);
}

fn rotate(x: Halves, row: u32, lane: u32) -> Halves {
  let cosine = rope[row * 2u * LANES + lane];
  let sine = rope[row * 2u * LANES + LANES + lane];
  return Halves(x.low * cosine - x.high * sine, x.high * cosine + x.low * sine);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let row_heads = params.heads + params.kv_heads;
  let head_groups = (params.rows * row_heads + HEADS - 1u) / HEADS;
  if (GATE_ADAPTER && workgroup.x >= head_groups) {
    let item = workgroup.x - head_groups;
    let row = item / params.kv_heads;
    let kv_head = item % params.kv_heads;
    let logit = adapter_logit(row, kv_head, local_index);
    if (local_index == 0u) {
      store_bit(row, kv_head, logit);
    }
    return;
  }

  let item = workgroup.x * HEADS + local_index / LANES;
  let lane = local_index % LANES;
  let row = item / row_heads;
  let head = item % row_heads;
  let inside = row < params.rows;
  let first = (row * (row_heads + params.kv_heads) + head) * 2u * LANES + lane;
  var x = Halves();
  if (inside) {
    x = Halves(vec4<f32>(qkv[first]), vec4<f32>(qkv[first + LANES]));
  }
  x = head_norm(x, head >= params.heads, local_index);
  if (!inside) {
    return;
  }

  let group = params.heads / params.kv_heads;
  let gates = head < params.heads && head % group == 0u && lane == LANES - 1u;
  if (gates && !GATE_ADAPTER) {
    store_bit(row, head / group, x.high.w);
  }
  // RoPE refills the borrowed channel, so it is cleared before and after.
  if (gates && GATE_BORROWS) {
    x.high.w = 0.0;
  }
  x = rotate(x, row, lane);
  if (gates && GATE_BORROWS) {
    x.high.w = 0.0;
  }
  if (head < params.heads) {
    let at = (row * params.heads + head) * 2u * LANES + lane;
    q[at] = elem4(x.low);
    q[at + LANES] = elem4(x.high);
  } else {
    let at = (row * params.kv_heads + head - params.heads) * 2u * LANES + lane;
    k[at] = elem4(x.low);
    k[at + LANES] = elem4(x.high);
  }
}
