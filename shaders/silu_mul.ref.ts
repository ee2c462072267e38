/** Definition of `silu_mul`: the gated activation of the feed-forward block, in plain loops. */

/**
 * y[row, i] = silu(gate[row, i]) * up[row, i].
 * @param gateUp [rows, 2 * cols]: gate, then up, row by row
 * @returns [rows, cols]
 */
export function siluMulRef(gateUp: Float32Array, size: { readonly rows: number; readonly cols: number }): Float32Array {
  const { rows, cols } = size;
  const y = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < cols; i++) {
      const gate = gateUp[row * 2 * cols + i];
      const up = gateUp[(row * 2 + 1) * cols + i];
      y[row * cols + i] = (gate / (1 + Math.exp(-gate))) * up;
    }
  }
  return y;
}
