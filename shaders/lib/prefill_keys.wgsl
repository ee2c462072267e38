// What the forms of prefill_attention share: their bindings and how they find a key. The keys of a query are one list:
// the slots in use, read through the page table, then the chunk's rows, read from the staging buffer.
// Needs lib/kv_*.wgsl and the consts of kv_libs.ts.

struct Params {
  position: u32,  // tokens seen before the chunk
  rows: u32,
  kv_heads: u32,
  group: u32,     // query heads of a KV head
  stage_pages: u32,
  table_base: u32,
  table_stride: u32,
  until_stride: u32,
  live_base: u32,
  scale: f32,     // of the softmax, times log2(e)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<elem4>;
@group(0) @binding(2) var<storage, read> pool: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> page_table: array<u32>;
@group(0) @binding(4) var<storage, read> stage: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> until: array<u32>;
@group(0) @binding(6) var<storage, read> live: array<u32>;

const HEAD_QUADS = HEAD_DIM / 4u;
// In units of 16 bytes: a key or value row, a page, and where the values and the scales of a page start.
const ROW_VECS = ROW_WORDS / 4u;
const PAGE_VECS = PAGE_WORDS / 4u;
const VALUES_AT = PAGE_SLOTS * ROW_VECS;
const SCALES_AT = 2u * PAGE_SLOTS * ROW_VECS;
// A score that no real one reaches, and the least maximum: exp2(MASKED - LEAST_MAX) is 0, also where all is masked.
const MASKED = -3.4e38;
const LEAST_MAX = -1e30;

struct Key {
  staged: bool,  // false: in the pool
  page: u32,     // where its page starts, in units of 16 bytes
  slot: u32,     // within the page
}

// Key `index` of a head's list, whose first `old_keys` are slots in use.
fn find_key(head: u32, index: u32, old_keys: u32) -> Key {
  if (index >= old_keys) {
    let row = index - old_keys;
    return Key(true, (head * params.stage_pages + row / PAGE_SLOTS) * PAGE_VECS, row % PAGE_SLOTS);
  }
  let page = page_table[params.table_base + head * params.table_stride + index / PAGE_SLOTS];
  return Key(false, page * PAGE_VECS, index % PAGE_SLOTS);
}

// First query position that causality lets see the key.
fn seen_since(index: u32, old_keys: u32) -> u32 {
  return select(0u, params.position + index - old_keys, index >= old_keys);
}

fn load_vec(staged: bool, at: u32) -> vec4<u32> {
  if (staged) {
    return stage[at];
  }
  return pool[at];
}

// (key scale, value scale) of a group of the key.
fn load_scales(key: Key, group: u32) -> vec2<f32> {
  if (!KV_SCALED) {
    return vec2(1.0);
  }
  let word = key.slot * SCALE_WORDS + group;
  let at = key.page + SCALES_AT + word / 4u;
  if (key.staged) {
    return kv_scales(stage[at][word % 4u]);
  }
  return kv_scales(pool[at][word % 4u]);
}
