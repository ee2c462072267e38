// How matvec shares out its work: a workgroup has four rows, its invocations stand along the columns, so that
// neighbours
// read neighbouring groups. The sums meet by a tree in workgroup memory; invocation 0 has the result.

override GROUP_STEP = LANES;
var<workgroup> sh_sums: array<vec4<f32>, LANES>;

fn first_row(workgroup: u32, local_index: u32) -> u32 {
  return workgroup * 4u;
}

fn first_group(local_index: u32) -> u32 {
  return local_index;
}

fn reduce_rows(sums: vec4<f32>, local_index: u32) -> vec4<f32> {
  sh_sums[local_index] = sums;
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (local_index < half) {
      sh_sums[local_index] += sh_sums[local_index + half];
    }
  }
  return sh_sums[local_index];
}

fn stores_rows(local_index: u32) -> bool {
  return local_index == 0u;
}
