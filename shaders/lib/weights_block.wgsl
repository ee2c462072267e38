// Blocks of 32 neighbouring elements of a row and their products, for the weights_*.wgsl and what multiplies with them.

struct FloatBlock {
  q0: vec4<f32>, q1: vec4<f32>, q2: vec4<f32>, q3: vec4<f32>,
  q4: vec4<f32>, q5: vec4<f32>, q6: vec4<f32>, q7: vec4<f32>,
  sum: f32,  // of the 32 elements
}

struct Int8Block {
  low: vec4<u32>,    // elements 0 to 15, four int8 a word
  high: vec4<u32>,   // elements 16 to 31
  scale: vec2<f32>,  // activations: (scale, scale * sum of the 32 codes); weights: (d, m), value = d * code + m
}

// Sum over the block of nibbles times activations; byte j of `codes` holds the nibbles of elements j and j + 16.
fn nibble_dot_float(codes: vec4<u32>, x: FloatBlock) -> f32 {
  let low = codes & vec4(0x0f0f0f0fu);
  let high = (codes >> vec4(4u)) & vec4(0x0f0f0f0fu);
  return dot(vec4<f32>(unpack4xU8(low.x)), x.q0) + dot(vec4<f32>(unpack4xU8(low.y)), x.q1)
    + dot(vec4<f32>(unpack4xU8(low.z)), x.q2) + dot(vec4<f32>(unpack4xU8(low.w)), x.q3)
    + dot(vec4<f32>(unpack4xU8(high.x)), x.q4) + dot(vec4<f32>(unpack4xU8(high.y)), x.q5)
    + dot(vec4<f32>(unpack4xU8(high.z)), x.q6) + dot(vec4<f32>(unpack4xU8(high.w)), x.q7);
}

// Weights of four bits as int8 codes from 0 to 15.
fn nibble_block(codes: vec4<u32>, scale: vec2<f32>) -> Int8Block {
  return Int8Block(codes & vec4(0x0f0f0f0fu), (codes >> vec4(4u)) & vec4(0x0f0f0f0fu), scale);
}

// Sum of the 32 products of weights w and activations x.
fn int8_dot(w: Int8Block, x: Int8Block) -> f32 {
  return w.scale.x * (x.scale.x * f32(byte_dot(w.low, x.low) + byte_dot(w.high, x.high))) + w.scale.y * x.scale.y;
}

// Sum of 16 products of int8.
fn byte_dot(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

// Elements 4 * part to 4 * part + 3 of a group of 32 nibbles.
fn nibble_quad(codes: vec4<u32>, part: u32) -> vec4<f32> {
  return vec4<f32>(unpack4xU8((codes[part & 3u] >> ((part >> 2u) * 4u)) & 0x0f0f0f0fu));
}
