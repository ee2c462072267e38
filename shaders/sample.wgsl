// The random choice of the next token, filtered in Hugging Face's order.
//
//   l = logits under the repetition penalty (lib/logits.wgsl),  w[i] = exp((l[i] - max l) / temperature)
//   top_k  keeps i when fewer than top_k tokens have a larger l; 0 is off. All tokens that tie at the cut are kept.
//   top_p  keeps i when the tokens with a larger l have less than top_p of the mass that top_k kept; 1 is off
//   min_p  keeps i when w[i] >= min_p * max w; 0 is off
//   token = the lowest i for which the mass kept up to i exceeds u * (mass kept),  u = hash(seed, position) in [0, 1)
//
// logits  [vocab] f32, see lib/logits.wgsl
// tokens, state, stops, seen, result: see lib/finish_token.wgsl
//
// One workgroup owns everything. Where a filter is on, the second pass over the logits lists the few tokens that may
// survive it in workgroup memory (lib/survey.wgsl). Only where they are too many, for a flat distribution or a large
// top_k, is the cut bisected by passes over the vocabulary, until what is from it up can be listed. The largest
// logit's token is always kept; one whose probability is less than e^-REACH of that token's is never drawn.
// Preconditions: 0 < vocab < 2^24; temperature > 0; the grid is [1, 1, 1].

struct Params {
  vocab: u32,
  top_k: u32,
  seed: u32,
  position: u32,
  temperature: f32,
  top_p: f32,
  min_p: f32,
  repetition_penalty: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Nats below the best logit from which on no token is drawn.
const REACH = 32.0;
const LEAST_WANTED = 1e-30;
const NO_INDEX = 0xffffffffu;
// Rounds that halve an interval by value; after them it is done by the order of the floats, which comes to an end.
const COARSE_ROUNDS = 16u;

var<workgroup> sh_weight: array<f32, CAPACITY>;
var<workgroup> sh_first: atomic<u32>;
var<workgroup> sh_last: atomic<u32>;

fn pcg_hash(input: u32) -> u32 {
  let state = input * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// u in [0, 1), of 24 bits.
fn random_number() -> f32 {
  return f32(pcg_hash(params.seed + pcg_hash(params.position)) >> 8u) / 16777216.0;
}

// The rank-th largest of the invocations' maxima: at least rank tokens are as large, and rarely many more.
fn ranked_maximum(own: f32, rank: u32, local_index: u32) -> f32 {
  sh_value[local_index] = own;
  workgroupBarrier();
  var larger = 0u;
  for (var i = 0u; i < WORKGROUP_SIZE; i++) {
    larger += u32(sh_value[i] > own);
  }
  return -reduce_max(select(NO_LOGIT, -own, larger < rank), local_index);
}

// Applies top-k (where rank is not 0) and top-p to the list; what is dropped becomes NO_LOGIT. Without a rank, top_p is
// a part of the given mass. An invocation has two entries.
fn filter_list(length: u32, rank: u32, given_total: f32, best: f32, local_index: u32) {
  let slot = vec2(local_index * 2u, local_index * 2u + 1u);
  let value = vec2(sh_value[slot.x], sh_value[slot.y]);
  let weight = weights_of(value.xyxy, best, -LARGEST_LOGIT).xy;
  sh_weight[slot.x] = weight.x;
  sh_weight[slot.y] = weight.y;
  workgroupBarrier();
  var count = vec2(0.0);
  var mass = vec2(0.0);
  for (var i = 0u; i < length; i++) {
    let larger = select(vec2(0.0), vec2(1.0), vec2(sh_value[i]) > value);
    count += larger;
    mass += larger * sh_weight[i];
  }
  let ranked = vec2(rank == 0u) | (count < vec2(f32(rank)));
  sh_sum[local_index].x = dot(select(vec2(0.0), weight, ranked), vec2(1.0));
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < (length + 1u) / 2u; i++) {
    total += sh_sum[i].x;
  }
  total = select(total, given_total, rank == 0u);
  let kept = ranked & (vec2(params.top_p >= 1.0) | (mass < vec2(max(params.top_p * total, LEAST_WANTED))));
  sh_value[slot.x] = select(NO_LOGIT, value.x, kept.x);
  sh_value[slot.y] = select(NO_LOGIT, value.y, kept.y);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local_index: u32) {
  if (is_halted(local_index)) {
    return;
  }
  let by_rank = params.top_k > 0u && params.top_k < params.vocab;
  let by_mass = params.top_p < 1.0;
  var own = NO_LOGIT;
  for (var quad = local_index; quad < quads_of(0u); quad += WORKGROUP_SIZE) {
    own = max(own, largest_of(load_logits(quad)));
  }
  let best = reduce_max(own, local_index);
  let lowest = max(best - REACH * temperature(), -LARGEST_LOGIT);
  let top = best + max(abs(best) * 2e-7, 1e-30);

  // A filter cuts between lo and hi: what is from lo up is enough for it, what is from hi up is not.
  var cuts_mass = !by_rank;
  var lo = lowest;
  var hi = top;
  var counts = vec2(f32(params.vocab), 0.0);  // of the tokens from lo up, and from hi up
  var mass = 0.0;                             // of the tokens from lo up
  var total = 0.0;                            // of which top_p is a part
  var round = 0u;
  var length = 0u;
  var level = lowest;
  var listing = select(by_mass, params.top_k <= WORKGROUP_SIZE, by_rank);
  if (listing) {
    level = max(lowest, ranked_maximum(own, select(PROBE, params.top_k, by_rank), local_index));
  }
  while (by_rank || by_mass) {
    let found = survey(level, lowest, listing, best, local_index);
    total = select(total, found.z, total == 0.0);
    let wanted = select(f32(params.top_k), max(params.top_p * total, LEAST_WANTED), cuts_mass);
    if (level == lowest || select(found.x, found.y, cuts_mass) >= wanted) {
      lo = level;
      counts.x = found.x;
      mass = found.y;
      if (listing && found.x <= f32(CAPACITY)) {
        length = u32(found.x);
        break;
      }
    } else {
      hi = level;
      counts.y = found.x;
    }
    listing = counts.x <= f32(CAPACITY);
    if (listing) {
      level = lo;
      continue;
    }
    if (counts.x - counts.y <= 1.0 || key_of(hi) - key_of(lo) <= 1u) {
      // The filter cuts at lo.
      if (cuts_mass || !by_mass) {
        break;
      }
      cuts_mass = true;
      total = mass;
      hi = top;
      counts.y = 0.0;
      round = 0u;
    }
    round++;
    level = lo + (hi - lo) * 0.5;
    if (round > COARSE_ROUNDS) {
      level = value_of(key_of(lo) + (key_of(hi) - key_of(lo)) / 2u);
    }
  }
  if (length > 0u) {
    sort_list(length, local_index);
    filter_list(length, select(params.top_k, 0u, cuts_mass), total, best, local_index);
  }

  // Each invocation weighs a run of the quads, then looks in it for the token with which the mass passes the goal.
  if (params.min_p > 0.0) {
    lo = max(lo, min(best, best + temperature() * log(params.min_p)));
  }
  let quads = quads_of(length);
  let run = (quads + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
  let first = min(local_index * run, quads);
  let end = min(first + run, quads);
  workgroupBarrier();
  var own_mass = 0.0;
  for (var quad = first; quad < end; quad++) {
    own_mass += dot(weights_of(values_at(quad, length), best, lo), vec4(1.0));
  }
  sh_sum[local_index].x = own_mass;
  if (local_index == 0u) {
    atomicStore(&sh_first, NO_INDEX);
    atomicStore(&sh_last, 0u);
  }
  workgroupBarrier();
  var sum = 0.0;
  var whole = 0.0;
  for (var i = 0u; i < (quads + run - 1u) / run; i++) {
    sum = select(sum, whole, i == local_index);
    whole += sh_sum[i].x;
  }
  let goal = random_number() * whole;
  var passing = NO_INDEX;
  var last = 0u;
  for (var quad = first; quad < end; quad++) {
    let weights = weights_of(values_at(quad, length), best, lo);
    for (var i = 0u; i < 4u; i++) {
      sum += weights[i];
      last = select(last, quad * 4u + i, weights[i] > 0.0);
      passing = select(passing, min(passing, quad * 4u + i), weights[i] > 0.0 && sum > goal);
    }
  }
  atomicMin(&sh_first, passing);
  atomicMax(&sh_last, last);
  workgroupBarrier();
  if (local_index == 0u) {
    // Where rounding lets no token pass the goal, the last that is kept.
    let index = min(atomicLoad(&sh_first), atomicLoad(&sh_last));
    finish_token(select(index, sh_token[index % CAPACITY], length > 0u));
  }
}
