// Keys and values as they are, one to a word: for checks. Same calls as kv_int8.wgsl; there are no scales.

const KV_SCALED: bool = false;
const KV_QUAD_WORDS: u32 = 4u;  // words of four neighbouring channels
const KV_VEC_QUADS: u32 = 1u;   // groups of four channels in 16 bytes

fn kv_decode(words: vec4<u32>, quad: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(words);
}

fn kv_scale_bits(largest: f32) -> u32 {
  return 0u;
}

fn kv_scales(word: u32) -> vec2<f32> {
  return vec2(1.0);
}

fn kv_encode(x: vec4<f32>, scale: f32) -> vec4<u32> {
  return bitcast<vec4<u32>>(x);
}
