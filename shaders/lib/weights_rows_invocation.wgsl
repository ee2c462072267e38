// How matvec shares out its work: every invocation has four rows to itself. For processors that run few invocations and
// load what all of them read once, such as adapters that compute on the CPU; reads of W do not coalesce.

const GROUP_STEP = 1u;

fn first_row(workgroup: u32, local_index: u32) -> u32 {
  return (workgroup * LANES + local_index) * 4u;
}

fn first_group(local_index: u32) -> u32 {
  return 0u;
}

fn reduce_rows(sums: vec4<f32>, local_index: u32) -> vec4<f32> {
  return sums;
}

fn stores_rows(local_index: u32) -> bool {
  return true;
}
