/**
 * The shape of a decoder, read from `config.json` or from GGUF metadata. It names what it does not support and never
 * guesses a value that changes the mathematics.
 */
import { MAX_GROUP } from '../kernels/attention.ts';
import { HEAD_DIMS } from '../kernels/kv_libs.ts';
import { UnsupportedModelError } from './errors.ts';

/** Keys are Hugging Face's, camelCased. */
export interface ModelConfig {
  readonly architecture: 'llama' | 'qwen3';
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly maxPositionEmbeddings: number;
  readonly tieWordEmbeddings: boolean;
  /** True where queries and keys are normalised per head before RoPE (Qwen3). */
  readonly headNorm: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const SUPPORTED = 'Lethe runs Llama and Qwen3 decoders.';

function numberOf(fields: Fields, key: string, fallback?: number): number {
  const value = fields[key] ?? fallback;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new UnsupportedModelError(
    `The model's configuration has no number for ${key}; it cannot be loaded without it.`,
  );
}

function checked(config: ModelConfig): ModelConfig {
  const { numAttentionHeads, numKeyValueHeads, headDim, hiddenSize, intermediateSize } = config;
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw new UnsupportedModelError(
      `${numAttentionHeads} query heads do not share ${numKeyValueHeads} KV heads evenly.`,
    );
  }
  if (numAttentionHeads / numKeyValueHeads > MAX_GROUP) {
    const group = numAttentionHeads / numKeyValueHeads;
    throw new UnsupportedModelError(`${group} query heads share a KV head; at most ${MAX_GROUP} are supported.`);
  }
  if (!HEAD_DIMS.some((size) => size === headDim)) {
    throw new UnsupportedModelError(`Head size ${headDim} is not supported; sizes ${HEAD_DIMS.join(', ')} are.`);
  }
  if (hiddenSize % 32 !== 0 || intermediateSize % 32 !== 0) {
    throw new UnsupportedModelError(`Sizes ${hiddenSize} and ${intermediateSize} must be multiples of 32.`);
  }
  return config;
}

/** Reads a `config.json` in Hugging Face's form. @throws UnsupportedModelError */
export function configFromJson(json: Fields): ModelConfig {
  const type = String(json.model_type);
  if (type !== 'llama' && type !== 'qwen3') {
    throw new UnsupportedModelError(`The architecture ${type} is not supported. ${SUPPORTED}`);
  }
  const rope = (json.rope_parameters ?? json.rope_scaling ?? {}) as Fields;
  const ropeType = rope.rope_type ?? rope.type ?? 'default';
  if (ropeType !== 'default') {
    throw new UnsupportedModelError(`RoPE of type ${String(ropeType)} is not supported; only the default is.`);
  }
  if (json.attention_bias === true) throw new UnsupportedModelError('Attention biases are not supported.');
  if ((json.hidden_act ?? 'silu') !== 'silu') {
    throw new UnsupportedModelError(`The activation ${String(json.hidden_act)} is not supported; silu is.`);
  }
  const heads = numberOf(json, 'num_attention_heads');
  const hiddenSize = numberOf(json, 'hidden_size');
  return checked({
    architecture: type,
    hiddenSize,
    intermediateSize: numberOf(json, 'intermediate_size'),
    numHiddenLayers: numberOf(json, 'num_hidden_layers'),
    numAttentionHeads: heads,
    numKeyValueHeads: numberOf(json, 'num_key_value_heads', heads),
    headDim: numberOf(json, 'head_dim', hiddenSize / heads),
    vocabSize: numberOf(json, 'vocab_size'),
    rmsNormEps: numberOf(json, 'rms_norm_eps'),
    ropeTheta: numberOf(json, 'rope_theta', numberOf(rope, 'rope_theta', 10000)),
    maxPositionEmbeddings: numberOf(json, 'max_position_embeddings'),
    tieWordEmbeddings: json.tie_word_embeddings === true,
    headNorm: type === 'qwen3',
  });
}

/**
 * Reads GGUF metadata.
 * @param tensorNames Hugging Face names of the file's tensors: they tell whether the head is tied
 * @param vocabSize rows of the embedding
 * @throws UnsupportedModelError
 */
export function configFromGguf(metadata: Fields, tensorNames: ReadonlySet<string>, vocabSize: number): ModelConfig {
  const type = String(metadata['general.architecture']);
  if (type !== 'llama' && type !== 'qwen3') {
    throw new UnsupportedModelError(`The architecture ${type} is not supported. ${SUPPORTED}`);
  }
  const scaling = metadata[`${type}.rope.scaling.type`] ?? 'none';
  if (scaling !== 'none') {
    throw new UnsupportedModelError(`RoPE scaling of type ${String(scaling)} is not supported; only none is.`);
  }
  const field = (key: string, fallback?: number): number => numberOf(metadata, `${type}.${key}`, fallback);
  const heads = field('attention.head_count');
  const hiddenSize = field('embedding_length');
  const headDim = field('attention.key_length', hiddenSize / heads);
  if (field('attention.value_length', headDim) !== headDim) {
    throw new UnsupportedModelError('Keys and values of different sizes are not supported.');
  }
  return checked({
    architecture: type,
    hiddenSize,
    intermediateSize: field('feed_forward_length'),
    numHiddenLayers: field('block_count'),
    numAttentionHeads: heads,
    numKeyValueHeads: field('attention.head_count_kv', heads),
    headDim,
    vocabSize,
    rmsNormEps: field('attention.layer_norm_rms_epsilon'),
    ropeTheta: field('rope.freq_base', 10000),
    maxPositionEmbeddings: field('context_length'),
    tieWordEmbeddings: !tensorNames.has('lm_head.weight'),
    headNorm: type === 'qwen3',
  });
}
