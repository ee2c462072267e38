// The form of prefill_attention for processors without memory that invocations share cheaply: same bindings, same
// result. CPU adapters load a word for each invocation one after the other, whatever its address, so here eight
// neighbouring invocations of a subgroup load the parts of one key and value together and pass them round by shuffles.
// Measured on llvmpipe (Mesa 25.0, two cores): 2.5 to 4 times as fast as the plain form.
//
// A workgroup owns WORKGROUP_SIZE neighbouring pairs (row, query head of the group) of one KV head, an invocation one
// pair with its query and its sum in registers. Softmax runs online, key by key, in units of log2.
// out, or codes and scales: see lib/store_head_float.wgsl and lib/store_head_int8.wgsl
// Preconditions: the grid is [ceil(rows * group / WORKGROUP_SIZE), kv_heads, 1]; subgroups hold a multiple of eight
// invocations, all active; rows >= 1.

const OCTET = 8u;
const PARTS = 2u * ROW_VECS;                     // of 16 bytes: a key row, then a value row
const ROUNDS = (PARTS + OCTET - 1u) / OCTET;
const GROUP_QUADS = select(HEAD_QUADS, 8u, KV_SCALED);
const GROUPS = (HEAD_QUADS + GROUP_QUADS - 1u) / GROUP_QUADS;

// The decoded parts of one key and its value that this invocation of the octet has loaded.
var<private> parts: array<vec4<f32>, ROUNDS * KV_VEC_QUADS>;

// Quad `quad` of the key row and the value row together, from the invocation that holds it.
fn quad_of(quad: u32, octet: u32) -> vec4<f32> {
  let part = quad / KV_VEC_QUADS;
  return subgroupShuffle(parts[part / OCTET * KV_VEC_QUADS + quad % KV_VEC_QUADS], octet + part % OCTET);
}

fn load_parts(key_at: u32, staged: bool, lane: u32) {
  for (var round = 0u; round < ROUNDS; round++) {
    let part = min(round * OCTET + lane, PARTS - 1u);
    let words = load_vec(staged, key_at + part + select(0u, VALUES_AT - ROW_VECS, part >= ROW_VECS));
    for (var i = 0u; i < KV_VEC_QUADS; i++) {
      parts[round * KV_VEC_QUADS + i] = kv_decode(words, i);
    }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32,
        @builtin(subgroup_invocation_id) invocation: u32) {
  let head = workgroup.y;
  let octet = invocation / OCTET * OCTET;
  let lane = invocation % OCTET;
  let pairs = params.rows * params.group;
  let pair = workgroup.x * WORKGROUP_SIZE + local_index;
  let last_pair = min(workgroup.x * WORKGROUP_SIZE + WORKGROUP_SIZE, pairs) - 1u;
  // Invocations past the end repeat the last pair and store nothing.
  let row = min(pair, last_pair) / params.group;
  let quads_at = ((row * params.kv_heads + head) * params.group + min(pair, last_pair) % params.group) * HEAD_QUADS;
  let now = params.position + row;
  let old_keys = live[params.live_base + head];
  let keys = old_keys + last_pair / params.group + 1u;  // past these, no query of the workgroup sees any

  var query: array<vec4<f32>, HEAD_QUADS>;
  var sums: array<vec4<f32>, HEAD_QUADS>;
  for (var quad = 0u; quad < HEAD_QUADS; quad++) {
    query[quad] = vec4<f32>(q[quads_at + quad]) * params.scale;
    sums[quad] = vec4<f32>();
  }
  var most = LEAST_MAX;
  var total = 0.0;
  for (var first = 0u; first < keys; first += OCTET) {
    // What an invocation knows of one of the next eight keys: where it lies, who sees it, its scales.
    let index = min(first + lane, keys - 1u);
    let key = find_key(head, index, old_keys);
    let key_at = key.page + key.slot * ROW_VECS;
    let since = seen_since(index, old_keys);
    let limit = until[head * params.until_stride + index];
    var scales: array<vec2<f32>, GROUPS>;
    for (var group = 0u; group < GROUPS; group++) {
      scales[group] = load_scales(key, group);
    }
    for (var next = 0u; next < min(OCTET, keys - first); next++) {
      let i = octet + next;
      load_parts(subgroupShuffle(key_at, i), subgroupShuffle(u32(key.staged), i) != 0u, lane);
      var score = 0.0;
      for (var group = 0u; group < GROUPS; group++) {
        var dots = 0.0;
        for (var quad = group * GROUP_QUADS; quad < min(HEAD_QUADS, (group + 1u) * GROUP_QUADS); quad++) {
          dots += dot(query[quad], quad_of(quad, octet));
        }
        score += dots * subgroupShuffle(scales[group].x, i);
      }
      let visible = (subgroupShuffle(since, i) <= now) & (now <= subgroupShuffle(limit, i));
      score = select(MASKED, score, visible);
      let largest = max(most, score);
      let rescale = exp2(most - largest);
      let weight = exp2(score - largest);
      total = total * rescale + weight;
      most = largest;
      for (var group = 0u; group < GROUPS; group++) {
        let scaled = weight * subgroupShuffle(scales[group].y, i);
        for (var quad = group * GROUP_QUADS; quad < min(HEAD_QUADS, (group + 1u) * GROUP_QUADS); quad++) {
          sums[quad] = sums[quad] * rescale + scaled * quad_of(HEAD_QUADS + quad, octet);
        }
      }
    }
  }
  if (pair < pairs) {
    store_head(quads_at, &sums, select(0.0, 1.0 / total, total > 0.0));
  }
}
