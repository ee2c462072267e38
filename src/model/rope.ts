/** Angles of rotary position embedding, made on the host in double precision: a shader's sin is too coarse far out. */
import { assert } from '../util/assert.ts';
import type { RopeScaling } from './rope_scaling.ts';

/** What turns a position into angles. */
export interface RopeTable {
  /** Radians a token: [headDim / 2]. */
  readonly frequencies: Float64Array;
  /** Multiplies cosines and sines. */
  readonly attentionFactor: number;
}

/** The frequencies of a model's heads. Formulas: modeling_rope_utils.py of `transformers`. */
export function ropeTable(rope: {
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
}): RopeTable {
  const { headDim, ropeTheta, ropeScaling: scaling } = rope;
  const plain = Float64Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim));
  if (scaling.type === 'linear') {
    return { frequencies: plain.map((frequency) => frequency / scaling.factor), attentionFactor: 1 };
  }
  if (scaling.type === 'llama3') return { frequencies: plain.map((f) => llama3(f, scaling)), attentionFactor: 1 };
  if (scaling.type === 'yarn') {
    return { frequencies: yarn(plain, rope, scaling), attentionFactor: scaling.attentionFactor };
  }
  if (scaling.type === 'divisors') {
    const { divisors } = scaling;
    assert(divisors.length === plain.length, `${divisors.length} RoPE divisors for ${plain.length} frequencies`);
    return { frequencies: plain.map((frequency, i) => frequency / divisors[i]), attentionFactor: 1 };
  }
  return { frequencies: plain, attentionFactor: 1 };
}

function llama3(frequency: number, scaling: Extract<RopeScaling, { type: 'llama3' }>): number {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositionEmbeddings: length } = scaling;
  const turns = (length * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / factor;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

function yarn(
  plain: Float64Array,
  rope: { readonly headDim: number; readonly ropeTheta: number },
  scaling: Extract<RopeScaling, { type: 'yarn' }>,
): Float64Array {
  const { factor, betaFast, betaSlow, originalMaxPositionEmbeddings: length, truncate } = scaling;
  const { headDim, ropeTheta } = rope;
  // The channel, as a fraction, that makes so many turns over the original length.
  const channel = (turns: number) => (headDim * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(ropeTheta));
  const [first, last] = [channel(betaFast), channel(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, headDim - 1);
  const width = high === low ? 0.001 : high - low;
  return plain.map((frequency, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / width));
    return (frequency / factor) * stretched + frequency * (1 - stretched);
  });
}

/** Writes [rows, headDim] for positions from `position` on: the cosines of headDim / 2 frequencies, then the sines. */
export function ropeAngles(args: {
  readonly out: Float32Array;
  readonly position: number;
  readonly rows: number;
  readonly table: RopeTable;
}): void {
  const { out, position, rows } = args;
  const { frequencies, attentionFactor } = args.table;
  const half = frequencies.length;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < half; i++) {
      const angle = (position + row) * frequencies[i];
      out[row * 2 * half + i] = attentionFactor * Math.cos(angle);
      out[row * 2 * half + half + i] = attentionFactor * Math.sin(angle);
    }
  }
}

/** Writes [rows, headDim] that leave queries and keys as they are, for layers without position. */
export function noAngles(out: Float32Array, headDim: number): void {
  for (let i = 0; i < out.length; i++) out[i] = i % headDim < headDim / 2 ? 1 : 0;
}
