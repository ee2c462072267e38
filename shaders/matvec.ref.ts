/** Definition of `matvec`: a matrix times one vector, in plain loops. */

/**
 * out[n] = sum over k of W[n, k] * x[k], in double precision until the end.
 * @param weight [rows, cols], already dequantised
 * @param x [cols], already dequantised
 * @returns [rows]
 */
export function matvecRef(
  weight: Float32Array,
  x: Float32Array,
  size: { readonly rows: number; readonly cols: number },
): Float32Array {
  const { rows, cols } = size;
  const out = new Float32Array(rows);
  for (let n = 0; n < rows; n++) {
    let sum = 0;
    for (let k = 0; k < cols; k++) sum += weight[n * cols + k] * x[k];
    out[n] = sum;
  }
  return out;
}
