// Joins the partial sums of attention.wgsl to the output of each query head.
//
//   m = max_t m_t,  out = sum_t exp(m_t - m) o_t / sum_t exp(m_t - m) l_t,  t over the tiles of the head's KV head
//
// partial_out  [tiles, group, HEAD_DIM] f32
// partial_ml   [tiles, group]: (m_t, l_t)
// live         [.., kv_heads] slots in use; a head has ceil(live / TILE_SLOTS) tiles
// tiles        [.., kv_heads + 1] tiles before each head
// out, or codes and scales: [1, kv_heads * group * HEAD_DIM], see lib/store_float.wgsl and lib/store_int8.wgsl
//
// An invocation owns four channels of every PARTS-th tile, a workgroup QUADS neighbouring groups of four channels, of
// one
// head or of several. A head without slots gives zeros.
// Preconditions: the grid is [ceil(kv_heads * group * head_quads / QUADS), 1, 1].

struct Params {
  kv_heads: u32,
  group: u32,
  head_quads: u32,  // a quarter of the head size
  live_base: u32,
  tile_base: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial_out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial_ml: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> live: array<u32>;
@group(0) @binding(4) var<storage, read> tiles: array<u32>;

const PARTS = WORKGROUP_SIZE / QUADS;

var<workgroup> sh_most: array<f32, WORKGROUP_SIZE>;
var<workgroup> sh_total: array<f32, WORKGROUP_SIZE>;
var<workgroup> sh_sum: array<vec4<f32>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let flat = workgroup.x * QUADS + local_index % QUADS;
  let part = local_index / QUADS;
  let inside = flat < params.kv_heads * params.group * params.head_quads;
  let query = select(0u, flat / params.head_quads, inside);
  let quad = flat % params.head_quads;
  let head = query / params.group;
  let turn = query % params.group;
  let first = tiles[params.tile_base + head];
  let end = first + (live[params.live_base + head] + TILE_SLOTS - 1u) / TILE_SLOTS;
  var most = -3.4e38;
  for (var tile = first + part; tile < end; tile += PARTS) {
    most = max(most, partial_ml[tile * params.group + turn].x);
  }
  var total = 0.0;
  var sum = vec4<f32>();
  for (var tile = first + part; tile < end; tile += PARTS) {
    let at = tile * params.group + turn;
    let ml = partial_ml[at];
    let weight = exp(ml.x - most);
    total += weight * ml.y;
    sum += weight * partial_out[at * params.head_quads + quad];
  }
  sh_most[local_index] = most;
  sh_total[local_index] = total;
  sh_sum[local_index] = sum;
  workgroupBarrier();
  if (part == 0u) {
    for (var i = local_index + QUADS; i < WORKGROUP_SIZE; i += QUADS) {
      most = max(most, sh_most[i]);
    }
    total = 0.0;
    sum = vec4<f32>();
    for (var i = local_index; i < WORKGROUP_SIZE; i += QUADS) {
      let weight = exp(sh_most[i] - most);
      total += weight * sh_total[i];
      sum += weight * sh_sum[i];
    }
  }
  // Not a division by zero where a head holds nothing.
  let y = sum * select(0.0, 1.0 / total, total > 0.0);
  store_activation(flat, y, inside && part == 0u, local_index);
}
