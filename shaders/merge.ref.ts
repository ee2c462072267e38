/** Definition of `merge`: joins partial attention sums of one KV head, in plain loops. */
import type { PartialsRef } from './attention.ref.ts';

/**
 * out = sum_t exp(m_t - m) o_t / sum_t exp(m_t - m) l_t with m = max_t m_t; zeros without tiles.
 * @returns [group, headDim]
 */
export function mergeRef(
  partials: PartialsRef,
  size: { readonly group: number; readonly headDim: number },
): Float32Array {
  const { group, headDim } = size;
  const { out, ml } = partials;
  const tiles = ml.length / (2 * group);
  const y = new Float32Array(group * headDim);
  for (let j = 0; j < group; j++) {
    let most = Number.NEGATIVE_INFINITY;
    for (let t = 0; t < tiles; t++) most = Math.max(most, ml[(t * group + j) * 2]);
    let total = 0;
    for (let t = 0; t < tiles; t++) total += Math.exp(ml[(t * group + j) * 2] - most) * ml[(t * group + j) * 2 + 1];
    for (let d = 0; d < headDim; d++) {
      let sum = 0;
      for (let t = 0; t < tiles; t++) {
        sum += Math.exp(ml[(t * group + j) * 2] - most) * out[(t * group + j) * headDim + d];
      }
      y[j * headDim + d] = total > 0 ? sum / total : 0;
    }
  }
  return y;
}
