// Reductions over a workgroup of WORKGROUP_SIZE invocations, by subgroup operations. Same calls and results as
// reduce.wgsl. No subgroup id is derived from a local index: each subgroup's elected invocation leaves its partial at
// its
// own local index, the others leave the neutral element, and every subgroup then sums the whole list by itself.

var<workgroup> sh_reduce: array<f32, WORKGROUP_SIZE>;

fn reduce_add(value: f32, local_index: u32) -> f32 {
  let partial = subgroupAdd(value);
  sh_reduce[local_index] = select(0.0, partial, subgroupElect());
  workgroupBarrier();
  let lane = subgroupExclusiveAdd(1u);
  let lanes = subgroupAdd(1u);
  var sum = 0.0;
  for (var i = lane; i < WORKGROUP_SIZE; i += lanes) {
    sum += sh_reduce[i];
  }
  let total = subgroupAdd(sum);
  workgroupBarrier();
  return total;
}

fn reduce_max(value: f32, local_index: u32) -> f32 {
  let partial = subgroupMax(value);
  sh_reduce[local_index] = select(-3.4e38, partial, subgroupElect());
  workgroupBarrier();
  let lane = subgroupExclusiveAdd(1u);
  let lanes = subgroupAdd(1u);
  var most = -3.4e38;
  for (var i = lane; i < WORKGROUP_SIZE; i += lanes) {
    most = max(most, sh_reduce[i]);
  }
  let total = subgroupMax(most);
  workgroupBarrier();
  return total;
}
