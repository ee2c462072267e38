/** Definition of `matmul`: many rows of activations times a matrix, in plain loops. */

/**
 * out[m, n] = sum over k of x[m, k] * W[n, k], in double precision until the end.
 * @param weight [cols, inner], already dequantised
 * @param x [rows, inner], already dequantised
 * @returns [rows, cols]
 */
export function matmulRef(
  weight: Float32Array,
  x: Float32Array,
  size: { readonly rows: number; readonly cols: number; readonly inner: number },
): Float32Array {
  const { rows, cols, inner } = size;
  const out = new Float32Array(rows * cols);
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < cols; n++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += x[m * inner + k] * weight[n * inner + k];
      out[m * cols + n] = sum;
    }
  }
  return out;
}
