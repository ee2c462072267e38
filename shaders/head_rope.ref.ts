/** Definition of `head_rope`: head norm, eviction bit and rotary position embedding, in plain loops. */

export interface HeadRopeSizesRef {
  readonly rows: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
}

/** How bits arise. Bit modes: 0 never, 1 learned, 2 by position. */
export interface GateRef {
  readonly kind: 'none' | 'borrow' | 'adapter';
  readonly bitMode: 0 | 1 | 2;
  readonly scale: number;
  readonly offset: number;
  readonly shift: number;
  readonly sinks: number;
  /** Position of the first row. */
  readonly position: number;
  /** The adapter: x [rows, hidden], norm [hidden], weight [kvHeads, hidden], bias [kvHeads]. */
  readonly adapter?: Readonly<Record<'x' | 'norm' | 'weight' | 'bias', Float32Array>>;
}

function rmsNorm(x: Float64Array, weight: Float32Array, eps: number): Float64Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const scale = 1 / Math.sqrt(squares / x.length + eps);
  return x.map((value, i) => value * scale * weight[i]);
}

function rotate(x: Float64Array, angles: Float32Array): Float64Array {
  const half = x.length / 2;
  const y = new Float64Array(x.length);
  for (let i = 0; i < half; i++) {
    const [cosine, sine] = [angles[i], angles[half + i]];
    y[i] = x[i] * cosine - x[half + i] * sine;
    y[half + i] = x[half + i] * cosine + x[i] * sine;
  }
  return y;
}

function bitOf(gate: GateRef, row: number, logit: number): number {
  if (gate.bitMode === 1) return logit * gate.scale - gate.offset > 0 ? 1 : 0;
  return gate.bitMode === 2 && gate.position + row - gate.shift >= gate.sinks ? 1 : 0;
}

function adapterLogit(gate: GateRef, row: number, kvHead: number, eps: number): number {
  if (!gate.adapter) throw new Error('an adapter gate needs its weights');
  const { x, norm, weight, bias } = gate.adapter;
  const hidden = norm.length;
  const normed = rmsNorm(Float64Array.from(x.subarray(row * hidden, (row + 1) * hidden)), norm, eps);
  let logit = bias[kvHead];
  normed.forEach((value, i) => {
    logit += value * weight[kvHead * hidden + i];
  });
  return logit;
}

/**
 * @param input.qkv [rows, (heads + 2 * kvHeads) * headDim]
 * @param input.rope [rows, headDim]: cosines, then sines
 * @param input.qNorm [headDim] and input.kNorm, in families with head norms
 * @returns q [rows, heads * headDim], k [rows, kvHeads * headDim], alpha [rows, kvHeads]
 */
export function headRopeRef(
  input: { readonly qkv: Float32Array; readonly rope: Float32Array; readonly norms?: readonly Float32Array[] },
  gate: GateRef,
  sizes: HeadRopeSizesRef,
): { readonly q: Float32Array; readonly k: Float32Array; readonly alpha: Uint32Array } {
  const { rows, heads, kvHeads, headDim, eps } = sizes;
  const q = new Float32Array(rows * heads * headDim);
  const k = new Float32Array(rows * kvHeads * headDim);
  const alpha = new Uint32Array(rows * kvHeads);
  for (let row = 0; row < rows; row++) {
    const angles = input.rope.subarray(row * headDim, (row + 1) * headDim);
    for (let head = 0; head < heads + kvHeads; head++) {
      const first = (row * (heads + 2 * kvHeads) + head) * headDim;
      let x: Float64Array = Float64Array.from(input.qkv.subarray(first, first + headDim));
      if (input.norms) x = rmsNorm(x, input.norms[head < heads ? 0 : 1], eps);
      const leads = head < heads && head % (heads / kvHeads) === 0;
      if (leads) {
        const kvHead = head / (heads / kvHeads);
        const logit = gate.kind === 'adapter' ? adapterLogit(gate, row, kvHead, eps) : x[headDim - 1];
        alpha[row * kvHeads + kvHead] = bitOf(gate, row, logit);
      }
      const borrows = leads && gate.kind === 'borrow';
      if (borrows) x[headDim - 1] = 0;
      const y = rotate(x, angles);
      if (borrows) y[headDim - 1] = 0;
      if (head < heads) q.set(y, (row * heads + head) * headDim);
      else k.set(y, (row * kvHeads + head - heads) * headDim);
    }
  }
  return { q, k, alpha };
}
