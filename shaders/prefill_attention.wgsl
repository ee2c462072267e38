// Attention of a chunk's queries over the slots in use and the chunk's own rows, under the DMS mask.
//
//   out[i, h] = sum_j p_j v_j,  p = softmax over the visible keys j of scale * (q[i, h] . k_j)
//   a slot s is visible to row i iff position + i <= until[s]; a row r iff r <= i and position + i <= until[live + r]
//
// q           [rows, kv_heads * group, HEAD_DIM] elem
// pool        pages of the layer; a page is 32 key rows, 32 value rows and their scales (kv_layout.ts)
// page_table  [.., kv_heads, table_stride] page of each 32 slots
// stage       the chunk's keys and values in the same form; head h has pages h * stage_pages and following
// until       [kv_heads, until_stride] as prefill_mask leaves it
// live        [.., kv_heads] slots in use before the chunk
// out, or codes and scales: [rows, kv_heads * group * HEAD_DIM], see lib/store_float.wgsl and lib/store_int8.wgsl
//
// A workgroup owns 32 neighbouring pairs (row, query head of the group) of one KV head. Its 64 invocations lie 8 x 8:
// an invocation scores four pairs with every eighth key of a tile, then sums every eighth quad of the values for them.
// TILE keys at a time, and then their values, are decoded into workgroup memory. Softmax runs online, in units of log2.
// Preconditions: the grid is [ceil(rows * group / 32), kv_heads, 1]; TILE is a multiple of 8; rows >= 1.

const SIDE = 8u;
const PAIRS = 4u * SIDE;
const TILE_KEYS = TILE / SIDE;                         // keys of a tile that an invocation scores
const OUT_QUADS = (HEAD_QUADS + SIDE - 1u) / SIDE;     // quads of each pair's output that an invocation sums
const STRIDE = HEAD_QUADS + 1u;                        // of a decoded row; odd, so that eight rows meet no bank twice

var<workgroup> sh_rows: array<vec4<f32>, TILE * STRIDE>;
var<workgroup> sh_weights: array<vec4<f32>, TILE * SIDE>;  // [key][four pairs]
var<workgroup> sh_most: array<vec4<f32>, SIDE * SIDE>;

// Decodes the keys, or the values, of a tile; what lies past the end of the list becomes zeros.
fn load_tile(head: u32, first: u32, keys: u32, old_keys: u32, values: bool, local_index: u32) {
  for (var i = local_index; i < TILE * ROW_VECS; i += WORKGROUP_SIZE) {
    let part = i % ROW_VECS;
    let index = first + i / ROW_VECS;
    var words = vec4<u32>();
    var scale = 0.0;
    if (index < keys) {
      let key = find_key(head, index, old_keys);
      let scales = load_scales(key, part * KV_VEC_QUADS / 8u);
      words = load_vec(key.staged, key.page + select(0u, VALUES_AT, values) + key.slot * ROW_VECS + part);
      scale = select(scales.x, scales.y, values);
    }
    for (var quad = 0u; quad < KV_VEC_QUADS; quad++) {
      sh_rows[i / ROW_VECS * STRIDE + part * KV_VEC_QUADS + quad] = kv_decode(words, quad) * scale;
    }
  }
}

fn sum_over_side(value: vec4<f32>, local_index: u32) -> vec4<f32> {
  workgroupBarrier();
  sh_most[local_index] = value;
  workgroupBarrier();
  var sum = vec4<f32>();
  for (var i = 0u; i < SIDE; i++) {
    sum += sh_most[local_index / SIDE * SIDE + i];
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
  let head = workgroup.y;
  let x = local_index % SIDE;
  let y = local_index / SIDE;
  let pairs = params.rows * params.group;
  let last_pair = min(workgroup.x * PAIRS + PAIRS, pairs) - 1u;
  let pair = vec4(workgroup.x * PAIRS + 4u * y) + vec4(0u, 1u, 2u, 3u);
  // Pairs past the end repeat the last one and are not stored.
  let row = min(pair, vec4(last_pair)) / params.group;
  let member = min(pair, vec4(last_pair)) % params.group;
  let quads_at = ((row * params.kv_heads + head) * params.group + member) * HEAD_QUADS;
  let now = params.position + row;
  let old_keys = live[params.live_base + head];
  let keys = old_keys + last_pair / params.group + 1u;  // past these, no query of the workgroup sees any

  var sums: array<vec4<f32>, 4u * OUT_QUADS>;
  var most = vec4(LEAST_MAX);
  var total = vec4<f32>();  // of this invocation's own keys

  for (var first = 0u; first < keys; first += TILE) {
    workgroupBarrier();
    load_tile(head, first, keys, old_keys, false, local_index);
    workgroupBarrier();

    // The initialiser matters: without one Dawn leaves the last round's values (seen with webgpu 0.6.2 on lavapipe).
    var scores = array<vec4<f32>, TILE_KEYS>();  // each of the four pairs
    for (var quad = 0u; quad < HEAD_QUADS; quad++) {
      let q0 = vec4<f32>(q[quads_at.x + quad]);
      let q1 = vec4<f32>(q[quads_at.y + quad]);
      let q2 = vec4<f32>(q[quads_at.z + quad]);
      let q3 = vec4<f32>(q[quads_at.w + quad]);
      for (var i = 0u; i < TILE_KEYS; i++) {
        let k = sh_rows[(x + i * SIDE) * STRIDE + quad];
        scores[i] += vec4(dot(q0, k), dot(q1, k), dot(q2, k), dot(q3, k));
      }
    }
    var largest = most;
    for (var i = 0u; i < TILE_KEYS; i++) {
      let index = first + x + i * SIDE;
      var visible = vec4(false);
      if (index < keys) {
        let limit = until[head * params.until_stride + index];
        visible = (vec4(seen_since(index, old_keys)) <= now) & (now <= vec4(limit));
      }
      scores[i] = select(vec4(MASKED), scores[i] * params.scale, visible);
      largest = max(largest, scores[i]);
    }
    sh_most[local_index] = largest;
    workgroupBarrier();
    for (var i = 0u; i < SIDE; i++) {
      largest = max(largest, sh_most[y * SIDE + i]);
    }
    let rescale = exp2(most - largest);
    most = largest;
    total *= rescale;
    for (var i = 0u; i < TILE_KEYS; i++) {
      let weight = exp2(scores[i] - most);
      total += weight;
      sh_weights[(x + i * SIDE) * SIDE + y] = weight;
    }
    load_tile(head, first, keys, old_keys, true, local_index);
    workgroupBarrier();

    for (var i = 0u; i < 4u * OUT_QUADS; i++) {
      sums[i] *= rescale[i % 4u];
    }
    for (var key = 0u; key < TILE; key++) {
      let weight = sh_weights[key * SIDE + y];
      for (var i = 0u; i < OUT_QUADS; i++) {
        // Past the head's end this reads the padding or the next row; those sums are not stored.
        let value = sh_rows[key * STRIDE + x + i * SIDE];
        sums[4u * i] += weight.x * value;
        sums[4u * i + 1u] += weight.y * value;
        sums[4u * i + 2u] += weight.z * value;
        sums[4u * i + 3u] += weight.w * value;
      }
    }
  }

  let sum = sum_over_side(total, local_index);
  let inverse = select(vec4<f32>(), 1.0 / sum, sum > vec4<f32>());
  for (var i = 0u; i < 4u * OUT_QUADS; i++) {
    let quad = x + i / 4u * SIDE;
    let inside = pair[i % 4u] < pairs && quad < HEAD_QUADS;
    let value = select(vec4<f32>(), sums[i] * inverse[i % 4u], inside);
    store_activation(quads_at[i % 4u] + quad, value, inside, local_index);
  }
}
