// Stores the keys and values of tokens in the pages of a pool, in the pool's format.
//
//   int8: scale = f16(max|x| / 127) of each group of 32 channels, code = round(x / scale);  f16, f32: x
//
// k     [rows, kv_heads * HEAD_DIM] elem
// v     elem: the values of a row start at v_offset + row * v_stride
// pool  pages (src/kernels/kv_layout.ts), out
// where a (row, head) goes: see lib/kv_place_*.wgsl
//
// An invocation owns four channels of the key and of the value of a (row, head), HEAD_DIM / 4 neighbours own the slot
// and a workgroup owns SLOTS slots. Preconditions: the grid is [ceil(rows * kv_heads / SLOTS), 1, 1]; v_offset and
// v_stride are multiples of 4.

struct Params {
  rows: u32,
  kv_heads: u32,
  v_offset: u32,      // elements
  v_stride: u32,      // elements
  slot_base: u32,     // words
  table_base: u32,    // words
  table_stride: u32,
  stage_pages: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<elem4>;
@group(0) @binding(2) var<storage, read> v: array<elem4>;
@group(0) @binding(3) var<storage, read_write> pool: array<u32>;

const QUADS = HEAD_DIM / 4u;
const SLOTS = WORKGROUP_SIZE / QUADS;
const GROUP_QUADS = 8u;  // quads that share a scale

// The page of a (row, head), the slot within it, and whether the token is stored at all.
struct Place {
  page: u32,
  slot: u32,
  stored: bool,
}

var<workgroup> sh_largest: array<vec2<f32>, WORKGROUP_SIZE>;

fn largest_of(x: vec4<f32>) -> f32 {
  let magnitude = abs(x);
  return max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w));
}

fn put(word: u32, words: vec4<u32>) {
  for (var i = 0u; i < KV_QUAD_WORDS; i++) {
    pool[word + i] = words[i];
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let item = workgroup.x * SLOTS + local_index / QUADS;
  let quad = local_index % QUADS;
  let row = item / params.kv_heads;
  let head = item % params.kv_heads;
  let inside = row < params.rows;
  var key = vec4<f32>();
  var value = vec4<f32>();
  if (inside) {
    key = vec4<f32>(k[item * QUADS + quad]);
    value = vec4<f32>(v[(params.v_offset + row * params.v_stride) / 4u + head * QUADS + quad]);
  }
  var scale_word = 0u;
  if (KV_SCALED) {
    sh_largest[local_index] = vec2(largest_of(key), largest_of(value));
    workgroupBarrier();
    // The last group of a head may be a short one.
    let first = quad - quad % GROUP_QUADS;
    let base = local_index - quad;
    var largest = vec2<f32>();
    for (var i = first; i < min(first + GROUP_QUADS, QUADS); i++) {
      largest = max(largest, sh_largest[base + i]);
    }
    scale_word = kv_scale_bits(largest.x) | (kv_scale_bits(largest.y) << 16u);
  }
  if (!inside) {
    return;
  }
  let place = kv_place(row, head);
  if (!place.stored) {
    return;
  }
  let scales = kv_scales(scale_word);
  let page = place.page * PAGE_WORDS;
  put(page + place.slot * ROW_WORDS + quad * KV_QUAD_WORDS, kv_encode(key, scales.x));
  put(page + (PAGE_SLOTS + place.slot) * ROW_WORDS + quad * KV_QUAD_WORDS, kv_encode(value, scales.y));
  if (KV_SCALED && quad % GROUP_QUADS == 0u) {
    pool[page + 2u * PAGE_SLOTS * ROW_WORDS + place.slot * SCALE_WORDS + quad / GROUP_QUADS] = scale_word;
  }
}
