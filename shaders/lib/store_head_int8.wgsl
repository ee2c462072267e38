// Stores a whole attention head, held by one invocation, as int8 codes with a scale for each group of 32, exactly as
// quantise.wgsl makes them. HEAD_QUADS is a const of the kernel and a multiple of 8.
// codes   [rows, cols / 4] u32, four int8 each, the first element in the low byte
// scales  [rows, cols / 32] (scale, scale * sum of the group's codes)

@group(0) @binding(8) var<storage, read_write> codes: array<u32>;
@group(0) @binding(9) var<storage, read_write> scales: array<vec2<f32>>;

const CODE_QUADS = 8u;

fn store_head(first_quad: u32, head: ptr<function, array<vec4<f32>, HEAD_QUADS>>, factor: f32) {
  for (var group = 0u; group < HEAD_QUADS; group += CODE_QUADS) {
    var magnitude = vec4<f32>();
    for (var i = 0u; i < CODE_QUADS; i++) {
      magnitude = max(magnitude, abs((*head)[group + i] * factor));
    }
    let largest = max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w));
    let inverse = select(0.0, 127.0 / largest, largest > 0.0);
    var sum = vec4<i32>();
    for (var i = 0u; i < CODE_QUADS; i++) {
      let quad_codes = vec4<i32>(round((*head)[group + i] * factor * inverse));
      sum += quad_codes;
      codes[first_quad + group + i] = pack4xI8(quad_codes);
    }
    let scale = largest / 127.0;
    scales[(first_quad + group) / CODE_QUADS] = vec2(scale, scale * f32(sum.x + sum.y + sum.z + sum.w));
  }
}
