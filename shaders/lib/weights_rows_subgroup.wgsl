// How matvec shares out its work: as weights_rows_workgroup.wgsl, but the sums meet by subgroup operations. No
// subgroup id
// is derived from a local index: each subgroup's elected invocation leaves its sums at its own local index, the others
// leave zeros, and every subgroup then adds up the whole list.

override GROUP_STEP = LANES;
var<workgroup> sh_sums: array<vec4<f32>, LANES>;

fn first_row(workgroup: u32, local_index: u32) -> u32 {
  return workgroup * 4u;
}

fn first_group(local_index: u32) -> u32 {
  return local_index;
}

fn reduce_rows(sums: vec4<f32>, local_index: u32) -> vec4<f32> {
  let partial = subgroupAdd(sums);
  sh_sums[local_index] = select(vec4<f32>(), partial, subgroupElect());
  workgroupBarrier();
  let lane = subgroupExclusiveAdd(1u);
  let lanes = subgroupAdd(1u);
  var total = vec4<f32>();
  for (var i = lane; i < LANES; i += lanes) {
    total += sh_sums[i];
  }
  return subgroupAdd(total);
}

fn stores_rows(local_index: u32) -> bool {
  return local_index == 0u;
}
