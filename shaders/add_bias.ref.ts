/** Definition of `add_bias`: the bias of a projection, in plain loops. */

/**
 * y[row, i] + bias[i].
 * @param y [rows, cols]
 * @param bias [cols]
 * @returns [rows, cols]
 */
export function addBiasRef(y: Float32Array, bias: Float32Array): Float32Array {
  return y.map((value, at) => value + bias[at % bias.length]);
}
