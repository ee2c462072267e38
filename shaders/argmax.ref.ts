/** Definition of `argmax`: the greedy choice of the next token, in plain loops. */

/**
 * The logits under the repetition penalty, in f32: l > 0 ? l / p : l * p where the token's bit in `seen` is set.
 * @param logits [vocab]
 * @param seen [ceil(vocab / 32)]
 */
export function penalisedRef(logits: Float32Array, seen: Uint32Array, penalty: number): Float32Array {
  return logits.map((value, token) => {
    const isSeen = Math.floor(seen[Math.floor(token / 32)] / 2 ** (token % 32)) % 2 === 1;
    if (!isSeen) return value;
    return value > 0 ? value / penalty : value * penalty;
  });
}

/** The lowest index of the largest value; NaN never wins, and 0 where there is nothing but NaN. */
export function argmaxRef(values: Float32Array): number {
  let best = -1;
  values.forEach((value, index) => {
    if (!Number.isNaN(value) && (best < 0 || value > values[best])) best = index;
  });
  return Math.max(0, best);
}
