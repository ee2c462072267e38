// Decode attention of one token over the slots in use, in tiles: partial sums that merge.wgsl joins.
//
//   for each query head of a KV head:  m = max_s x_s,  l = sum_s exp(x_s - m),  o = sum_s exp(x_s - m) v_s,
//   x_s = scale * (q . k_s), s over the slots of a tile
//
// q            [kv_heads * GROUP, HEAD_DIM] elem
// pool         pages of the layer (kv_layout.ts)
// page_table   [.., kv_heads, table_stride] page of each PAGE_SLOTS slots
// live         [.., kv_heads] slots in use
// tiles        [.., kv_heads + 1] tiles before each head, an upper bound
// partial_out  [tiles, GROUP, HEAD_DIM] f32: o
// partial_ml   [tiles, GROUP]: (m, l)
//
// A workgroup owns a tile of TILE_SLOTS slots (two pages) of one KV head and reads it once for all query heads of the
// group: keys with KEY_LANES invocations a slot, values with an invocation for four channels of every VALUE_PARTS-th
// slot.
// Tiles past the slots in use exit and write nothing. The loops over loads, parts and spans start at a value that
// only the
// run knows, so that compilers of CPU adapters do not unroll them: unrolled they took ten times as long to compile.
// Preconditions: the grid is [tiles, 1, 1]; GROUP <= min(MAX_GROUP, WORKGROUP_SIZE / SPAN); BATCH <= GROUP.

override GROUP: u32 = 1u;  // query heads of a KV head
override BATCH: u32 = 1u;  // query heads whose sums are joined at a time

struct Params {
  kv_heads: u32,
  table_base: u32,
  table_stride: u32,
  live_base: u32,
  tile_base: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<elem4>;
@group(0) @binding(2) var<storage, read> pool: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> page_table: array<u32>;
@group(0) @binding(4) var<storage, read> live: array<u32>;
@group(0) @binding(5) var<storage, read> tiles: array<u32>;
@group(0) @binding(6) var<storage, read_write> partial_out: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> partial_ml: array<vec2<f32>>;

const QUADS = HEAD_DIM / 4u;
const ROW_LOADS = ROW_WORDS / 4u;
const PAGE_LOADS = PAGE_WORDS / 4u;
const SCALE_QUADS = 8u;                                        // quads that share a scale
const KEY_LANES = WORKGROUP_SIZE / TILE_SLOTS;
const VALUE_PARTS = WORKGROUP_SIZE / QUADS;
const SPAN = 16u;                                              // invocations that share a softmax
const MASKED = -3.4e38;

var<workgroup> sh_q: array<vec4<f32>, GROUP * QUADS>;
var<workgroup> sh_dots: array<f32, GROUP * TILE_SLOTS * KEY_LANES>;
var<workgroup> sh_weights: array<f32, GROUP * TILE_SLOTS>;
var<workgroup> sh_span: array<f32, WORKGROUP_SIZE>;
var<workgroup> sh_total: array<f32, WORKGROUP_SIZE>;
var<workgroup> sh_sums: array<vec4<f32>, BATCH * WORKGROUP_SIZE>;

fn scales_of(page: u32, slot: u32, quad: u32) -> vec2<f32> {
  if (!KV_SCALED) {
    return vec2(1.0);
  }
  let word = slot * SCALE_WORDS + quad / SCALE_QUADS;
  return kv_scales(pool[page * PAGE_LOADS + 2u * PAGE_SLOTS * ROW_LOADS + word / 4u][word % 4u]);
}

fn load_value(page: u32, slot: u32, quad: u32) -> vec4<f32> {
  let row = page * PAGE_LOADS + (PAGE_SLOTS + slot) * ROW_LOADS;
  let words = pool[row + quad / KV_VEC_QUADS];
  return kv_decode(words, quad % KV_VEC_QUADS) * scales_of(page, slot, quad).y;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let flat = workgroup.x;
  var head = 0u;
  while (head + 1u < params.kv_heads && tiles[params.tile_base + head + 1u] <= flat) {
    head++;
  }
  let first = (flat - tiles[params.tile_base + head]) * TILE_SLOTS;
  let length = live[params.live_base + head];
  if (flat >= tiles[params.tile_base + params.kv_heads] || first >= length) {
    return;
  }
  let count = min(length - first, TILE_SLOTS);
  let table = params.table_base + head * params.table_stride + first / PAGE_SLOTS;
  let low_page = page_table[table];
  let high_page = page_table[table + u32(count > PAGE_SLOTS)];

  for (var i = local_index; i < GROUP * QUADS; i += WORKGROUP_SIZE) {
    sh_q[i] = vec4<f32>(q[head * GROUP * QUADS + i]) * params.scale;
  }
  workgroupBarrier();

  // The dot products of the invocation's part of a key. Slots past the end read the first one and are masked below.
  let slot = local_index / KEY_LANES;
  let near = select(0u, slot, slot < count);
  let page = select(high_page, low_page, near < PAGE_SLOTS);
  let row = page * PAGE_LOADS + near % PAGE_SLOTS * ROW_LOADS;
  var dots: array<f32, MAX_GROUP>;
  for (var load = local_index % KEY_LANES; load < ROW_LOADS; load += KEY_LANES) {
    let words = pool[row + load];
    let scale = scales_of(page, near % PAGE_SLOTS, load * KV_VEC_QUADS).x;
    for (var n = 0u; n < KV_VEC_QUADS; n++) {
      let key = kv_decode(words, n) * scale;
      for (var j = 0u; j < GROUP; j++) {
        dots[j] += dot(sh_q[j * QUADS + load * KV_VEC_QUADS + n], key);
      }
    }
  }
  for (var j = 0u; j < GROUP; j++) {
    sh_dots[j * WORKGROUP_SIZE + local_index] = dots[j];
  }
  workgroupBarrier();

  // The softmax of query head `turn`, by SPAN invocations.
  let turn = local_index / SPAN;
  let place = local_index % SPAN;
  var scores = vec4(MASKED);
  if (turn < GROUP) {
    for (var i = 0u; i < 4u; i++) {
      var score = 0.0;
      for (var l = 0u; l < KEY_LANES; l++) {
        score += sh_dots[turn * WORKGROUP_SIZE + (place + i * SPAN) * KEY_LANES + l];
      }
      scores[i] = select(MASKED, score, place + i * SPAN < count);
    }
  }
  sh_span[local_index] = max(max(scores.x, scores.y), max(scores.z, scores.w));
  workgroupBarrier();
  var most = MASKED;
  for (var i = turn * SPAN; i < turn * SPAN + SPAN; i++) {
    most = max(most, sh_span[i]);
  }
  var total = 0.0;
  if (turn < GROUP) {
    for (var i = 0u; i < 4u; i++) {
      let weight = select(0.0, exp(scores[i] - most), place + i * SPAN < count);
      sh_weights[turn * TILE_SLOTS + place + i * SPAN] = weight;
      total += weight;
    }
  }
  sh_total[local_index] = total;
  workgroupBarrier();

  if (turn < GROUP && place == 0u) {
    var sum = 0.0;
    for (var i = local_index; i < local_index + SPAN; i++) {
      sum += sh_total[i];
    }
    partial_ml[flat * GROUP + turn] = vec2(most, sum);
  }

  // The weighted sums of the invocation's part of the values, then of all parts.
  let quad = local_index % QUADS;
  let part = local_index / QUADS;
  var sums: array<vec4<f32>, MAX_GROUP>;
  if (part < VALUE_PARTS) {
    for (var s = part; s < count; s += VALUE_PARTS) {
      let value = load_value(select(high_page, low_page, s < PAGE_SLOTS), s % PAGE_SLOTS, quad);
      for (var j = 0u; j < GROUP; j++) {
        sums[j] += sh_weights[j * TILE_SLOTS + s] * value;
      }
    }
  }
  for (var start = 0u; start < GROUP; start += BATCH) {
    for (var j = 0u; j < BATCH; j++) {
      sh_sums[j * WORKGROUP_SIZE + local_index] = sums[min(start + j, GROUP - 1u)];
    }
    workgroupBarrier();
    for (var i = local_index; i < BATCH * QUADS; i += WORKGROUP_SIZE) {
      let j = i / QUADS;
      var sum = vec4<f32>();
      let end = j * WORKGROUP_SIZE + VALUE_PARTS * QUADS;
      for (var at = j * WORKGROUP_SIZE + i % QUADS; at < end; at += QUADS) {
        sum += sh_sums[at];
      }
      if (start + j < GROUP) {
        partial_out[(flat * GROUP + start + j) * QUADS + i % QUADS] = sum;
      }
    }
    if (start + BATCH < GROUP) {
      workgroupBarrier();
    }
  }
}
