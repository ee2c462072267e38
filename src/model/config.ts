/**
 * The shape of a decoder, read from `config.json` or from GGUF metadata. It names what it does not support and never
 * guesses a value that changes the mathematics.
 */
import { MAX_GROUP } from '../kernels/attention.ts';
import { HEAD_DIMS } from '../kernels/kv_libs.ts';
import { UnsupportedModelError } from './errors.ts';
import { type RopeScaling, ropeScalingFromGguf, ropeScalingFromJson } from './rope_scaling.ts';

/** What the families differ in, beside their numbers. */
interface Family {
  /** Queries and keys are normalised per head before RoPE. */
  readonly headNorm: boolean;
  /** The projections of queries, keys and values have biases. */
  readonly qkvBias: boolean;
  /** Every so many layers one has no position at all; 0: none. */
  readonly noRopeInterval: number;
  /** What `config.json` leaves out, in the words of `transformers`' configuration class. */
  readonly tied: boolean;
  readonly ropeTheta: number;
  readonly slidingWindow: number | null;
}

const PLAIN = {
  ...{ headNorm: false, qkvBias: false, noRopeInterval: 0 },
  ...{ tied: false, ropeTheta: 10000, slidingWindow: null },
};

const FAMILIES = {
  llama: PLAIN,
  mistral: { ...PLAIN, slidingWindow: 4096 },
  qwen2: { ...PLAIN, qkvBias: true, slidingWindow: 4096 },
  qwen3: { ...PLAIN, headNorm: true, slidingWindow: 4096 },
  // GGUF files say the interval nowhere: llama.cpp fixes it at 4, which is the released model's.
  smollm3: { ...PLAIN, noRopeInterval: 4, tied: true, ropeTheta: 2_000_000 },
} as const satisfies Readonly<Record<string, Family>>;

export type Architecture = keyof typeof FAMILIES;

/** Keys are Hugging Face's, camelCased. */
export interface ModelConfig {
  readonly architecture: Architecture;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  /**
   * Most tokens of a chat. Where layers attend over a sliding window it is no more than that window, whatever the file
   * says: so far their attention is the full attention that is computed here, and beyond it would be another model's.
   */
  readonly maxPositionEmbeddings: number;
  readonly tieWordEmbeddings: boolean;
  /** True where queries and keys are normalised per head before RoPE (Qwen3). */
  readonly headNorm: boolean;
  /** True where q, k and v have biases (Qwen2). */
  readonly qkvBias: boolean;
  readonly ropeScaling: RopeScaling;
  /** Layers whose queries and keys have no position (SmolLM3), in rising order. */
  readonly noRopeLayers: readonly number[];
}

type Fields = Readonly<Record<string, unknown>>;

const SUPPORTED = `The architectures ${Object.keys(FAMILIES).join(', ')} are.`;

function familyOf(type: string): Family & { readonly architecture: Architecture } {
  if (!Object.hasOwn(FAMILIES, type)) {
    throw new UnsupportedModelError(`The architecture ${type} is not supported. ${SUPPORTED}`);
  }
  const architecture = type as Architecture;
  return { architecture, ...FAMILIES[architecture] };
}

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

/** Refuses what a `config.json` asks for beyond what we compute. */
function requirePlain(json: Fields): void {
  const fail = (fact: string) => {
    throw new UnsupportedModelError(fact);
  };
  if (json.attention_bias === true)
    fail('attention_bias is not supported: only biases of q, k and v alone are (qwen2).');
  if (json.mlp_bias === true) fail('mlp_bias is not supported.');
  const activation = json.hidden_act ?? 'silu';
  if (activation !== 'silu') fail(`The activation ${String(activation)} is not supported; silu is.`);
  const kinds = Array.isArray(json.layer_types) ? json.layer_types : [];
  const kind = kinds.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (kind !== undefined) {
    fail(`Layers of type ${String(kind)} are not supported; full_attention and sliding_attention are.`);
  }
  const quantisation = json.quantization_config as Fields | null | undefined;
  if (quantisation) {
    const method = String(quantisation.quant_method);
    fail(`Weights quantised by ${method} are not supported; choose the unquantised repository or a GGUF file.`);
  }
}

/** Qwen's layers below this one do not slide, where the file does not say from which on they do. */
const MAX_WINDOW_LAYERS = 28;

/** Tokens that a query of some layer sees, itself included; null where every layer sees all of them. */
function slidingWindowOf(json: Fields, family: ReturnType<typeof familyOf>, layers: number): number | null {
  const { architecture, slidingWindow } = family;
  const window = json.sliding_window === undefined ? slidingWindow : json.sliding_window;
  if (Array.isArray(json.layer_types)) {
    return json.layer_types.includes('sliding_attention')
      ? numberOf({ sliding_window: window }, 'sliding_window')
      : null;
  }
  const asked = architecture === 'mistral' || json.use_sliding_window === true;
  if (window === null || !asked) return null;
  const full = architecture.startsWith('qwen') ? numberOf(json, 'max_window_layers', MAX_WINDOW_LAYERS) : 0;
  return full < layers ? numberOf({ sliding_window: window }, 'sliding_window') : null;
}

/** The longest context in which every layer's attention is full. @throws UnsupportedModelError */
function fullContext(contextLength: number, window: number | null): number {
  if (window === null) return contextLength;
  if (Number.isInteger(window) && window > 0) return Math.min(contextLength, window);
  throw new UnsupportedModelError(`A sliding window of ${window} tokens is none; it is a positive whole number.`);
}

function noRopeLayersOf(json: Fields, interval: number, layers: number): readonly number[] {
  const listed = json.no_rope_layers;
  const every = numberOf(json, 'no_rope_layer_interval', interval);
  const all = Array.from({ length: layers }, (_, layer) => layer);
  // In the list 1 says that the layer has position.
  if (Array.isArray(listed)) return all.filter((layer) => listed[layer] === 0);
  return all.filter((layer) => every > 0 && (layer + 1) % every === 0);
}

/** Reads a `config.json` in Hugging Face's form. @throws UnsupportedModelError */
export function configFromJson(json: Fields): ModelConfig {
  const family = familyOf(String(json.model_type));
  requirePlain(json);
  const rope = { ...((json.rope_scaling ?? {}) as Fields), ...((json.rope_parameters ?? {}) as Fields) };
  const rotary = rope.partial_rotary_factor ?? json.partial_rotary_factor ?? 1;
  if (rotary !== 1) throw new UnsupportedModelError(`RoPE over ${String(rotary)} of a head is not supported.`);
  const heads = numberOf(json, 'num_attention_heads');
  const hiddenSize = numberOf(json, 'hidden_size');
  const layers = numberOf(json, 'num_hidden_layers');
  const contextLength = numberOf(json, 'max_position_embeddings');
  return checked({
    architecture: family.architecture,
    hiddenSize,
    intermediateSize: numberOf(json, 'intermediate_size'),
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    numKeyValueHeads: numberOf(json, 'num_key_value_heads', heads),
    headDim: numberOf(json, 'head_dim', hiddenSize / heads),
    vocabSize: numberOf(json, 'vocab_size'),
    rmsNormEps: numberOf(json, 'rms_norm_eps'),
    ropeTheta: numberOf(json, 'rope_theta', numberOf(rope, 'rope_theta', family.ropeTheta)),
    ropeScaling: ropeScalingFromJson(rope, contextLength),
    noRopeLayers: noRopeLayersOf(json, family.noRopeInterval, layers),
    maxPositionEmbeddings: fullContext(contextLength, slidingWindowOf(json, family, layers)),
    tieWordEmbeddings: (json.tie_word_embeddings ?? family.tied) === true,
    headNorm: family.headNorm,
    qkvBias: family.qkvBias,
  });
}

/**
 * Reads GGUF metadata. The divisors of a file that has `rope_freqs.weight` are a tensor: `withRopeDivisors` adds them.
 * @param tensorNames Hugging Face names of the file's tensors: they tell whether the head is tied
 * @param vocabSize rows of the embedding
 * @throws UnsupportedModelError
 */
export function configFromGguf(metadata: Fields, tensorNames: ReadonlySet<string>, vocabSize: number): ModelConfig {
  const type = String(metadata['general.architecture']);
  const family = familyOf(type);
  const field = (key: string, fallback?: number): number => numberOf(metadata, `${type}.${key}`, fallback);
  const heads = field('attention.head_count');
  const hiddenSize = field('embedding_length');
  const headDim = field('attention.key_length', hiddenSize / heads);
  if (field('attention.value_length', headDim) !== headDim) {
    throw new UnsupportedModelError('Keys and values of different sizes are not supported.');
  }
  const rotary = field('rope.dimension_count', headDim);
  if (rotary !== headDim) {
    throw new UnsupportedModelError(`RoPE over ${rotary} of ${headDim} channels of a head is not supported.`);
  }
  const experts = field('expert_count', 0);
  if (experts > 0) throw new UnsupportedModelError(`A mixture of ${experts} experts is not supported.`);
  const layers = field('block_count');
  const contextLength = field('context_length');
  // llama.cpp writes 0 for none, or leaves it out.
  const window = field('attention.sliding_window', 0);
  return checked({
    architecture: family.architecture,
    hiddenSize,
    intermediateSize: field('feed_forward_length'),
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    numKeyValueHeads: field('attention.head_count_kv', heads),
    headDim,
    vocabSize,
    rmsNormEps: field('attention.layer_norm_rms_epsilon'),
    ropeTheta: field('rope.freq_base', 10000),
    ropeScaling: ropeScalingFromGguf(metadata, type, contextLength),
    noRopeLayers: noRopeLayersOf({}, family.noRopeInterval, layers),
    maxPositionEmbeddings: fullContext(contextLength, window === 0 ? null : window),
    tieWordEmbeddings: !tensorNames.has('lm_head.weight'),
    headNorm: family.headNorm,
    qkvBias: family.qkvBias,
  });
}

/** The configuration with the divisors of a file's `rope_freqs.weight`. @throws UnsupportedModelError */
export function withRopeDivisors(config: ModelConfig, divisors: Float32Array): ModelConfig {
  if (config.ropeScaling.type !== 'default') {
    throw new UnsupportedModelError(
      `rope_freqs.weight beside RoPE scaling of type ${config.ropeScaling.type} is not supported.`,
    );
  }
  if (divisors.length !== config.headDim / 2 || !divisors.every((value) => value > 0 && Number.isFinite(value))) {
    throw new UnsupportedModelError(`rope_freqs.weight must hold ${config.headDim / 2} positive numbers.`);
  }
  return { ...config, ropeScaling: { type: 'divisors', divisors: [...divisors] } };
}
