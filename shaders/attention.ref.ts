/** Definition of `attention`: partial sums of one token's attention over tiles of slots, in plain loops. */

/** Partial sums of one KV head; a tile without slots has m = -3.4e38, l = 0 and zeros. */
export interface PartialsRef {
  /** [tiles, group, headDim] */
  readonly out: Float32Array;
  /** [tiles, group, 2]: the maximum m and the sum l */
  readonly ml: Float32Array;
}

/**
 * For each tile of `tile` slots: m = max x_s, l = sum exp(x_s - m), o = sum exp(x_s - m) v_s, x_s = scale * (q . k_s).
 * @param q [group, headDim]
 * @param keys [slots, headDim], values [slots, headDim]: the slots in use of one KV head
 */
export function attentionRef(
  q: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  size: { readonly group: number; readonly headDim: number; readonly tile: number; readonly scale: number },
): PartialsRef {
  const { group, headDim, tile, scale } = size;
  const slots = keys.length / headDim;
  const tiles = Math.ceil(slots / tile);
  const out = new Float32Array(tiles * group * headDim);
  const ml = new Float32Array(tiles * group * 2);
  for (let t = 0; t < tiles; t++) {
    for (let j = 0; j < group; j++) {
      const scores: number[] = [];
      for (let s = t * tile; s < Math.min(slots, (t + 1) * tile); s++) {
        let dot = 0;
        for (let d = 0; d < headDim; d++) dot += q[j * headDim + d] * keys[s * headDim + d];
        scores.push(dot * scale);
      }
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      ml[(t * group + j) * 2] = most;
      ml[(t * group + j) * 2 + 1] = weights.reduce((sum, weight) => sum + weight, 0);
      for (let d = 0; d < headDim; d++) {
        out[(t * group + j) * headDim + d] = weights.reduce(
          (sum, weight, s) => sum + weight * values[(t * tile + s) * headDim + d],
          0,
        );
      }
    }
  }
  return { out, ml };
}
