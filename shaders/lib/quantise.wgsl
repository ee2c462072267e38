// Int8 quantisation of activations in groups of 32, shared by every kernel that produces them. Eight invocations with
// neighbouring local indices hold a group, four elements each. code = round(x / scale), scale = max|x| / 127; beside
// each
// scale stands scale * sum(codes), which a weight with a minimum needs. WORKGROUP_SIZE is a const of the kernel.

var<workgroup> sh_group: array<vec2<f32>, WORKGROUP_SIZE>;

struct Quantised {
  codes: u32,        // four int8, the first element in the low byte
  scale: vec2<f32>,  // (scale, scale * sum of the group's codes), the same in all eight invocations
}

// Called by all invocations in uniform control flow; those without elements pass zeros.
fn quantise_group(x: vec4<f32>, local_index: u32) -> Quantised {
  let first = local_index & ~7u;
  let magnitude = abs(x);
  sh_group[local_index].x = max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w));
  workgroupBarrier();
  var largest = 0.0;
  for (var i = 0u; i < 8u; i++) {
    largest = max(largest, sh_group[first + i].x);
  }
  let scale = largest / 127.0;
  let inverse = select(0.0, 127.0 / largest, largest > 0.0);
  let codes = vec4<i32>(round(x * inverse));
  sh_group[local_index].y = f32(codes.x + codes.y + codes.z + codes.w);
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < 8u; i++) {
    sum += sh_group[first + i].y;
  }
  workgroupBarrier();
  return Quantised(pack4xI8(codes), vec2(scale, scale * sum));
}
