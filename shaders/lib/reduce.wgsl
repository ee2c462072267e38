// Reductions over a workgroup of WORKGROUP_SIZE invocations, by a tree in workgroup memory. Every invocation calls them
// in uniform control flow and gets the result. WORKGROUP_SIZE is a const of the kernel and a power of two.

var<workgroup> sh_reduce: array<f32, WORKGROUP_SIZE>;

fn reduce_add(value: f32, local_index: u32) -> f32 {
  sh_reduce[local_index] = value;
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (local_index < half) {
      sh_reduce[local_index] += sh_reduce[local_index + half];
    }
  }
  let total = workgroupUniformLoad(&sh_reduce[0]);
  return total;
}

fn reduce_max(value: f32, local_index: u32) -> f32 {
  sh_reduce[local_index] = value;
  for (var half = WORKGROUP_SIZE / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (local_index < half) {
      sh_reduce[local_index] = max(sh_reduce[local_index], sh_reduce[local_index + half]);
    }
  }
  let most = workgroupUniformLoad(&sh_reduce[0]);
  return most;
}
