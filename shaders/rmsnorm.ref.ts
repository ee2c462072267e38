/** Definition of `rmsnorm`: root-mean-square normalisation, in plain loops. */

/**
 * y[row, i] = x[rowOffset + row, i] / sqrt(mean(x[rowOffset + row]^2) + eps) * weight[i].
 * @param x [rowOffset + rows, cols]
 * @param weight [cols]
 * @returns [rows, cols]
 */
export function rmsnormRef(
  x: Float32Array,
  weight: Float32Array,
  size: { readonly rows: number; readonly cols: number; readonly eps: number; readonly rowOffset?: number },
): Float32Array {
  const { rows, cols, eps, rowOffset = 0 } = size;
  const y = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    const first = (rowOffset + row) * cols;
    let squares = 0;
    for (let i = 0; i < cols; i++) squares += x[first + i] ** 2;
    const root = Math.sqrt(squares / cols + eps);
    for (let i = 0; i < cols; i++) y[row * cols + i] = (x[first + i] / root) * weight[i];
  }
  return y;
}
