// One pass over the logits: it counts and weighs the tokens from a level up, and lists them in workgroup memory where
// they are few. Needs logits.wgsl; WORKGROUP_SIZE and CAPACITY = 2 * WORKGROUP_SIZE are consts of the kernel. A
// function that has a barrier is called by all invocations in uniform control flow; survey's result is uniform. Each
// such function has one caller: compilers copy functions, and CPU adapters take long over barriers.

const LEAST_TEMPERATURE = 1e-6;
const LEAST_EXPONENT = -100.0;

var<workgroup> sh_sum: array<vec3<f32>, WORKGROUP_SIZE>;
var<workgroup> sh_length: atomic<u32>;
var<workgroup> sh_value: array<f32, CAPACITY>;
var<workgroup> sh_token: array<u32, CAPACITY>;

// Integers in the order of the floats; both zeros have the same.
fn key_of(value: f32) -> u32 {
  let bits = bitcast<u32>(select(value, 0.0, value == 0.0));
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn value_of(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

fn temperature() -> f32 {
  return max(params.temperature, LEAST_TEMPERATURE);
}

// Probabilities relative to that of the likeliest token, whose logit is `best`; 0 below the cut.
fn weights_of(values: vec4<f32>, best: f32, cut: f32) -> vec4<f32> {
  let weights = exp(max((values - best) / temperature(), vec4(LEAST_EXPONENT)));
  return select(vec4(0.0), weights, values >= vec4(cut));
}

// Quads of the vocabulary, or of the list where it has a length.
fn quads_of(length: u32) -> u32 {
  return (select(params.vocab, length, length > 0u) + 3u) / 4u;
}

// Four logits of the vocabulary, or of the list where it has a length.
fn values_at(quad: u32, length: u32) -> vec4<f32> {
  if (length > 0u) {
    let slot = quad * 4u;
    return vec4(sh_value[slot], sh_value[slot + 1u], sh_value[slot + 2u], sh_value[slot + 3u]);
  }
  return load_logits(quad);
}

// Lists what the quad has from lo up, as far as there is room.
fn list(quad: u32, values: vec4<f32>, lo: f32) {
  for (var i = 0u; i < 4u; i++) {
    if (values[i] >= lo) {
      let slot = atomicAdd(&sh_length, 1u);
      if (slot < CAPACITY) {
        sh_value[slot] = values[i];
        sh_token[slot] = quad * 4u + i;
      }
    }
  }
}

// Of the tokens from a level up, the count in x and the mass in y; in z the mass of all from `lowest` up. With
// `listing` the tokens from the level up are listed.
fn survey(level: f32, lowest: f32, listing: bool, best: f32, local_index: u32) -> vec3<f32> {
  let quads = quads_of(0u);
  var sum = vec3(0.0);
  for (var quad = local_index; quad < quads; quad += WORKGROUP_SIZE) {
    let values = load_logits(quad);
    let largest = largest_of(values);
    if (largest < lowest) {
      continue;
    }
    let weights = weights_of(values, best, lowest);
    let reached = values >= vec4(level);
    let counts = select(vec4(0.0), vec4(1.0), reached);
    sum += vec3(dot(counts, vec4(1.0)), dot(counts, weights), dot(weights, vec4(1.0)));
    if (listing && largest >= level) {
      list(quad, values, level);
    }
  }
  sh_sum[local_index] = sum;
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (local_index < half) {
      sh_sum[local_index] += sh_sum[local_index + half];
    }
  }
  if (local_index == 0u) {
    atomicStore(&sh_length, 0u);
  }
  return workgroupUniformLoad(&sh_sum[0]);
}

// Puts the list in the order of the tokens' ids, so that sums over it do not depend on who came first, and fills it up.
// An invocation has two entries.
fn sort_list(length: u32, local_index: u32) {
  let slot = vec2(local_index * 2u, local_index * 2u + 1u);
  let value = vec2(sh_value[slot.x], sh_value[slot.y]);
  let token = vec2(sh_token[slot.x], sh_token[slot.y]);
  let inside = slot < vec2(length);
  var place = vec2(0u);
  for (var i = 0u; i < length; i++) {
    place += vec2<u32>(vec2(sh_token[i]) < token);
  }
  place = select(slot, place, inside);
  workgroupBarrier();
  sh_value[place.x] = select(NO_LOGIT, value.x, inside.x);
  sh_value[place.y] = select(NO_LOGIT, value.y, inside.y);
  sh_token[place.x] = token.x;
  sh_token[place.y] = token.y;
  workgroupBarrier();
}
