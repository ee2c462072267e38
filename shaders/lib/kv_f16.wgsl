// Keys and values as halves, two to a word; needs no f16 feature. Same calls as kv_int8.wgsl; there are no scales.

const KV_SCALED: bool = false;
const KV_QUAD_WORDS: u32 = 2u;  // words of four neighbouring channels
const KV_VEC_QUADS: u32 = 2u;   // groups of four channels in 16 bytes

fn kv_decode(words: vec4<u32>, quad: u32) -> vec4<f32> {
  return vec4(unpack2x16float(words[2u * quad]), unpack2x16float(words[2u * quad + 1u]));
}

fn kv_scale_bits(largest: f32) -> u32 {
  return 0u;
}

fn kv_scales(word: u32) -> vec2<f32> {
  return vec2(1.0);
}

// What a half cannot hold is brought to the largest that it can, for an infinity would spoil every sum.
fn kv_encode(x: vec4<f32>, scale: f32) -> vec4<u32> {
  let y = clamp(x, vec4(-65504.0), vec4(65504.0));
  return vec4(pack2x16float(y.xy), pack2x16float(y.zw), 0u, 0u);
}
