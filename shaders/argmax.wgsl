// The greedy choice of the next token.
//
//   token = the lowest i with l[i] = max l,  l = logits under the repetition penalty of lib/logits.wgsl
//
// logits  [vocab] f32, see lib/logits.wgsl
// tokens, state, stops, seen, result: see lib/finish_token.wgsl
//
// One workgroup owns everything; an invocation looks at every WORKGROUP_SIZE-th quad, BLOCK of them at a time.
// Preconditions: 0 < vocab < 2^24, for an index travels through a reduction as f32; the grid is [1, 1, 1]. A NaN is
// never chosen, unless there is nothing else: then token 0 is.

struct Params {
  vocab: u32,
  repetition_penalty: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

const NO_QUAD = 0xffffffffu;
const NO_INDEX = -16777216.0;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local_index: u32) {
  if (is_halted(local_index)) {
    return;
  }
  let quads = (params.vocab + 3u) / 4u;
  var best = NO_LOGIT;
  var best_quad = NO_QUAD;
  for (var quad = local_index; quad < quads; quad += BLOCK * WORKGROUP_SIZE) {
    let block = load_block(quad, WORKGROUP_SIZE);
    for (var i = 0u; i < BLOCK; i++) {
      let largest = largest_of(block[i]);
      if (largest > best) {
        best = largest;
        best_quad = quad + i * WORKGROUP_SIZE;
      }
    }
  }
  let most = reduce_max(best, local_index);
  // Among the invocations that hold the maximum, the lowest index: negated, since the library reduces to a maximum.
  var negated_index = NO_INDEX;
  if (best_quad != NO_QUAD && best == most) {
    let hits = load_logits(best_quad) == vec4(best);
    negated_index = -f32(best_quad * 4u + select(select(select(3u, 2u, hits.z), 1u, hits.y), 0u, hits.x));
  }
  let nearest = reduce_max(negated_index, local_index);
  if (local_index == 0u) {
    finish_token(select(0u, u32(-nearest), nearest > NO_INDEX));
  }
}
