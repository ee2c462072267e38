/** Angles of rotary position embedding, made on the host in double precision: a shader's sin is too coarse far out. */

/** Writes [rows, headDim] for positions from `position` on: the cosines of headDim / 2 frequencies, then the sines. */
export function ropeAngles(args: {
  readonly out: Float32Array;
  readonly position: number;
  readonly rows: number;
  readonly headDim: number;
  readonly theta: number;
}): void {
  const { out, position, rows, headDim, theta } = args;
  const half = headDim / 2;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      const angle = (position + row) * theta ** ((-2 * i) / headDim);
      out[row * headDim + i] = Math.cos(angle);
      out[row * headDim + half + i] = Math.sin(angle);
    }
  }
}
