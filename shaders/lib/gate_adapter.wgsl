// The gate of a small projection of the residual stream, with an RMS norm of its own:
//
//   logit[row, g] = sum_i(x[row, i] * norm[i] * weight[g, i]) / sqrt(mean_i(x[row, i]^2) + eps) + bias[g]
//
// x     [rows, hidden] f32, the residual stream before the layer's input norm
// gate  f32: norm [hidden], weight [kv_heads, hidden], bias [kv_heads], up to a multiple of 4
//
// Called by a whole workgroup for one bit; invocation 0 gets the logit.

@group(0) @binding(7) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> gate: array<vec4<f32>>;

const GATE_BORROWS: bool = false;
const GATE_ADAPTER: bool = true;

var<workgroup> sh_gate: array<vec2<f32>, WORKGROUP_SIZE>;

fn adapter_logit(row: u32, kv_head: u32, local_index: u32) -> f32 {
  if (params.bit_mode != BIT_LEARNED) {
    return 0.0;
  }
  let quads = params.hidden / 4u;
  let weight = (1u + kv_head) * quads;
  var sums = vec2<f32>();  // squares, products
  for (var i = local_index; i < quads; i += WORKGROUP_SIZE) {
    let value = x[row * quads + i];
    sums += vec2(dot(value, value), dot(value * gate[i], gate[weight + i]));
  }
  sh_gate[local_index] = sums;
  workgroupBarrier();
  // WORKGROUP_SIZE is LANES * HEADS and no power of two for every head size, so the sum goes in two strides.
  if (local_index < LANES) {
    for (var i = 1u; i < HEADS; i++) {
      sums += sh_gate[i * LANES + local_index];
    }
    sh_gate[local_index] = sums;
  }
  workgroupBarrier();
  var total = vec2<f32>();
  if (local_index == 0u) {
    for (var i = 0u; i < LANES; i++) {
      total += sh_gate[i];
    }
  }
  let bias = (1u + params.kv_heads) * params.hidden + kv_head;
  return total.y * inverseSqrt(total.x / f32(params.hidden) + params.eps) + gate[bias / 4u][bias % 4u];
}
