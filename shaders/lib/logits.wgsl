// Reads logits under the repetition penalty: l > 0 ? l / p : l * p for the tokens whose bit in `seen` is set. Needs
// finish_token.wgsl for `seen`, and params.vocab and params.repetition_penalty.
// logits  [vocab] f32 in a buffer of whole quads; what lies past vocab is never used
//
// What comes out is finite, so that no arithmetic on it makes a NaN: infinities become +-LARGEST_LOGIT, and a NaN or an
// element past vocab becomes NO_LOGIT, which is less than every logit.

@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;

const LARGEST_LOGIT = 3.4e38;
const NO_LOGIT = -3.4028234e38;
const INFINITY_BITS = 0x7f800000u;

// Four logits; any quad may be asked for.
fn load_logits(quad: u32) -> vec4<f32> {
  let inside = min(quad, (params.vocab - 1u) / 4u);
  var values = logits[inside];
  let magnitudes = bitcast<vec4<u32>>(values) & vec4(0x7fffffffu);
  if (params.repetition_penalty != 1.0) {
    let bits = vec4(seen[inside / 8u] >> ((inside & 7u) * 4u)) & vec4(1u, 2u, 4u, 8u);
    let penalty = params.repetition_penalty;
    let penalised = select(values * penalty, values * (1.0 / penalty), values > vec4(0.0));
    values = select(values, penalised, bits != vec4(0u));
  }
  let missing = (magnitudes > vec4(INFINITY_BITS)) | (vec4(quad * 4u) + vec4(0u, 1u, 2u, 3u) >= vec4(params.vocab));
  return select(clamp(values, vec4(-LARGEST_LOGIT), vec4(LARGEST_LOGIT)), vec4(NO_LOGIT), missing);
}

// Quads that an invocation has under way at a time: one workgroup has little else to hide the memory's latency with.
const BLOCK = 4u;

fn load_block(quad: u32, stride: u32) -> array<vec4<f32>, BLOCK> {
  var block: array<vec4<f32>, BLOCK>;
  for (var i = 0u; i < BLOCK; i++) {
    block[i] = load_logits(quad + i * stride);
  }
  return block;
}

fn largest_of(values: vec4<f32>) -> f32 {
  return max(max(values.x, values.y), max(values.z, values.w));
}
