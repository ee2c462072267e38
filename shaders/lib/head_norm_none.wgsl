// Heads without a norm of their own. Same call as head_norm_rms.wgsl.

fn head_norm(x: Halves, is_key: bool, local_index: u32) -> Halves {
  return x;
}
