// RMS norm of each head with the family's weights, as Qwen3 has it. Called by all invocations in uniform control flow;
// LANES neighbours hold a head.
// head_norms  [2, HEAD_DIM] f32: the weights of the queries, then of the keys

@group(0) @binding(6) var<storage, read> head_norms: array<vec4<f32>>;

var<workgroup> sh_squares: array<f32, WORKGROUP_SIZE>;

fn head_norm(x: Halves, is_key: bool, local_index: u32) -> Halves {
  sh_squares[local_index] = dot(x.low, x.low) + dot(x.high, x.high);
  workgroupBarrier();
  let lane = local_index % LANES;
  let first = local_index - lane;
  var squares = 0.0;
  for (var i = 0u; i < LANES; i++) {
    squares += sh_squares[first + i];
  }
  let scale = inverseSqrt(squares / f32(HEAD_DIM) + params.eps);
  let weight = select(0u, 2u * LANES, is_key) + lane;
  return Halves(x.low * scale * head_norms[weight], x.high * scale * head_norms[weight + LANES]);
}
