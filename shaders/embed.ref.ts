/** Definition of `embed`: rows of a table, in plain loops. */

/**
 * out[row, i] = table[tokens[row], i].
 * @param table [tableRows, cols], already dequantised
 * @param tokens [rows]
 * @returns [rows, cols]
 */
export function embedRef(
  table: Float32Array,
  tokens: ArrayLike<number>,
  size: { readonly cols: number },
): Float32Array {
  const { cols } = size;
  const out = new Float32Array(tokens.length * cols);
  for (let row = 0; row < tokens.length; row++) {
    for (let i = 0; i < cols; i++) out[row * cols + i] = table[tokens[row] * cols + i];
  }
  return out;
}
