/**
 * How a model stretches rotary position embedding beyond the context it was first trained on: read from `config.json`
 * or from GGUF metadata. It names a type that it does not know and never takes one for another.
 */
import { UnsupportedModelError } from './errors.ts';

/** Keys are those of `transformers` (modeling_rope_utils.py), camelCased. */
export type RopeScaling =
  | { readonly type: 'default' }
  /** Every frequency divided by `factor`. */
  | { readonly type: 'linear'; readonly factor: number }
  /** Llama 3.1: low frequencies divided by `factor`, high ones kept, those between blended. */
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    }
  /** YaRN, arXiv 2309.00071: a ramp by number of turns, and cosines and sines multiplied by `attentionFactor`. */
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly attentionFactor: number;
      readonly originalMaxPositionEmbeddings: number;
      /** True rounds the ends of the ramp outwards to whole channels. */
      readonly truncate: boolean;
    }
  /** A divisor for each frequency, as GGUF files of Llama 3.1 and later carry them in `rope_freqs.weight`. */
  | { readonly type: 'divisors'; readonly divisors: readonly number[] };

type Fields = Readonly<Record<string, unknown>>;

const SUPPORTED = 'default, linear, llama3 and yarn are supported.';

function positive(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new UnsupportedModelError(
    `The model's RoPE scaling needs a positive number for ${what}, not ${String(value)}.`,
  );
}

/** YaRN's factor of cosines and sines where the file does not say it (arXiv 2309.00071, section 3.4). */
function yarnAttention(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

/**
 * From `rope_parameters`, or the older `rope_scaling`.
 * @param contextLength max_position_embeddings, which stands in for an original length that is not given
 * @throws UnsupportedModelError
 */
export function ropeScalingFromJson(rope: Fields, contextLength: number): RopeScaling {
  const type = rope.rope_type ?? rope.type ?? 'default';
  const at = (key: string, fallback?: number) => positive(rope[key] ?? fallback, key);
  if (type === 'default') return { type };
  if (type === 'linear') return { type, factor: at('factor') };
  const originalMaxPositionEmbeddings = () => at('original_max_position_embeddings', contextLength);
  if (type === 'llama3') {
    return {
      type,
      factor: at('factor'),
      lowFreqFactor: at('low_freq_factor'),
      highFreqFactor: at('high_freq_factor'),
      originalMaxPositionEmbeddings: originalMaxPositionEmbeddings(),
    };
  }
  if (type === 'yarn') {
    const factor = at('factor', contextLength / originalMaxPositionEmbeddings());
    const { mscale, mscale_all_dim: all } = rope;
    const derived =
      mscale && all ? yarnAttention(factor, at('mscale')) / yarnAttention(factor, at('mscale_all_dim')) : 0;
    return {
      type,
      factor,
      betaFast: at('beta_fast', 32),
      betaSlow: at('beta_slow', 1),
      attentionFactor: at('attention_factor', derived || yarnAttention(factor)),
      originalMaxPositionEmbeddings: originalMaxPositionEmbeddings(),
      truncate: rope.truncate !== false,
    };
  }
  throw new UnsupportedModelError(`RoPE of type ${String(type)} is not supported; ${SUPPORTED}`);
}

/**
 * From the keys under `<architecture>.rope.scaling`. In these files `attn_factor` multiplies what YaRN's formula gives
 * (ggml's `rope_yarn`).
 * @throws UnsupportedModelError
 */
export function ropeScalingFromGguf(metadata: Fields, architecture: string, contextLength: number): RopeScaling {
  const key = (name: string) => `${architecture}.rope.scaling.${name}`;
  const at = (name: string, fallback?: number) => positive(metadata[key(name)] ?? fallback, key(name));
  const type = metadata[key('type')] ?? 'none';
  if (type === 'none') return { type: 'default' };
  if (type === 'linear') return { type, factor: at('factor') };
  if (type === 'yarn') {
    const factor = at('factor');
    return {
      type,
      factor,
      betaFast: at('yarn_beta_fast', 32),
      betaSlow: at('yarn_beta_slow', 1),
      attentionFactor: at('attn_factor', 1) * yarnAttention(factor),
      originalMaxPositionEmbeddings: at('original_context_length', contextLength),
      truncate: true,
    };
  }
  throw new UnsupportedModelError(`RoPE scaling of type ${String(type)} is not supported; none, linear and yarn are.`);
}
