// Keys and values as int8 codes in groups of 32 channels with an f16 scale each: value = code * scale. Works on loaded
// words, so it serves any buffer. Where the rows and the scales lie in a page is in src/kernels/kv_layout.ts.

const KV_SCALED: bool = true;
const KV_QUAD_WORDS: u32 = 1u;  // words of four neighbouring channels
const KV_VEC_QUADS: u32 = 4u;   // groups of four channels in 16 bytes

// The codes of the quad-th four channels of 16 bytes; times the group's scale they are the values.
fn kv_decode(words: vec4<u32>, quad: u32) -> vec4<f32> {
  return vec4<f32>(unpack4xI8(words[quad]));
}

// The f16 bits of the scale of a group whose largest magnitude is given. Codes are computed with the scale as stored.
fn kv_scale_bits(largest: f32) -> u32 {
  return pack2x16float(vec2(min(largest / 127.0, 65504.0), 0.0)) & 0xffffu;
}

// (key scale, value scale) of a group from its word.
fn kv_scales(word: u32) -> vec2<f32> {
  return unpack2x16float(word);
}

// Four channels as words, of which the first KV_QUAD_WORDS count; `scale` is that of the group as stored.
fn kv_encode(x: vec4<f32>, scale: f32) -> vec4<u32> {
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  return vec4(pack4xI8Clamp(clamp(vec4<i32>(round(x * inverse)), vec4(-127), vec4(127))), 0u, 0u, 0u);
}
