// The bindings of weights that have a scale a group of 32 along a row; `group` counts groups over the whole matrix.
// weight_codes   as the format's file says
// weight_scales  [rows * cols / 64] u32: the f16 d of two neighbouring groups, the even one in the low half

@group(0) @binding(1) var<storage, read> weight_codes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> weight_scales: array<u32>;

fn weight_scale(group: u32) -> f32 {
  let pair = unpack2x16float(weight_scales[group / 2u]);
  return select(pair.x, pair.y, (group & 1u) == 1u);
}
