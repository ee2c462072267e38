/**
 * What a model will need before a byte of it is here: bytes of graphics memory for its weights as they will be held,
 * for a conversation of a given length and for the work itself; and whether an adapter and a disk take that. It counts
 * from the model's configuration alone, and says nothing of memory that WebGPU does not tell.
 */
import type { CachePolicy } from '../cache/policy.ts';
import type { QualityPoint } from '../formats/manifest.ts';
import { kvLayout, PAGE_SLOTS } from '../kernels/kv_layout.ts';
import type { ModelConfig } from '../model/config.ts';
import { DEFAULT_CHUNK } from '../model/load.ts';

/** The sizes of a decoder that decide what it needs. */
export type ModelSizes = Pick<
  ModelConfig,
  | 'hiddenSize'
  | 'intermediateSize'
  | 'numHiddenLayers'
  | 'numAttentionHeads'
  | 'numKeyValueHeads'
  | 'headDim'
  | 'vocabSize'
  | 'maxPositionEmbeddings'
  | 'tieWordEmbeddings'
>;

export interface NeedOptions {
  /** Bytes of an element of a matrix as it is held, scales included; default that of w8. */
  readonly elementBytes?: number;
  /** Bytes of all weights where a file says them: they are held as they are. It goes before `elementBytes`. */
  readonly weightBytes?: number;
  /** Tokens of the conversation; default the model's most. */
  readonly context?: number;
  /** How many times fewer tokens the memory holds than it has read; default 1, which forgets nothing. */
  readonly ratio?: number;
}

/** A model as its small files describe it, before the large ones are here. */
export interface DescribedModel {
  readonly sizes: ModelSizes;
  /** Bytes of all weights, as they are held; null where they are rounded to w8. */
  readonly weightBytes: number | null;
  /** Null for a model that was not taught to forget, or of which nobody said how much it does. */
  readonly forgetting: Forgetting | null;
}

/** What adapters beside a model bring. */
export interface Forgetting {
  /** That they were made for. */
  readonly offset: number;
  /** Numbers of the weights that they change, which are then held in w8. */
  readonly updatedElements: number;
  /** What was measured, by rising offset. */
  readonly quality: readonly QualityPoint[];
}

/** Bytes, all of the graphics processor. */
export interface ModelNeed {
  readonly weightBytes: number;
  /** For keys and values of `context` tokens. */
  readonly memoryBytes: number;
  readonly workBytes: number;
  readonly totalBytes: number;
  /** The largest single buffer. */
  readonly largestBytes: number;
  /** Tokens that `memoryBytes` is for. */
  readonly context: number;
  /** How many times fewer of them are held. */
  readonly ratio: number;
}

/** What there is. */
export interface Room {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  /** Bytes that this site may still write to disk; null where nobody says. */
  readonly freeDiskBytes: number | null;
}

export type Fit =
  | { readonly fits: true }
  | { readonly fits: false; readonly lacks: 'buffer' | 'disk'; readonly needBytes: number; readonly haveBytes: number };

/** Tokens of the conversation that a need is told for; models take more, and few conversations do. */
export const TOLD_CONTEXT = 8192;

/** Bytes of an element in groups of 32 with an f16 scale: 8 bits each. */
export const W8_ELEMENT_BYTES = 34 / 32;

/** Rows and columns of every matrix as the kernels hold them: q, k and v joined, gate and up joined. */
function matrices(sizes: ModelSizes): { readonly count: number; readonly elements: number }[] {
  const { hiddenSize, intermediateSize, numHiddenLayers, vocabSize, headDim } = sizes;
  const queryCols = sizes.numAttentionHeads * headDim;
  const keyCols = sizes.numKeyValueHeads * headDim;
  return [
    { count: sizes.tieWordEmbeddings ? 1 : 2, elements: vocabSize * hiddenSize },
    { count: numHiddenLayers, elements: (queryCols + 2 * keyCols) * hiddenSize },
    { count: numHiddenLayers, elements: queryCols * hiddenSize },
    { count: numHiddenLayers, elements: 2 * intermediateSize * hiddenSize },
    { count: numHiddenLayers, elements: intermediateSize * hiddenSize },
  ];
}

/** Numbers that the matrices of a decoder have; its norms and biases are not counted. */
export function matrixElements(sizes: ModelSizes): number {
  return matrices(sizes).reduce((sum, { count, elements }) => sum + count * elements, 0);
}

/** What a model needs for a conversation of `context` tokens. */
export function modelNeed(sizes: ModelSizes, options: NeedOptions = {}): ModelNeed {
  const { ratio = 1 } = options;
  const context = Math.min(options.context ?? sizes.maxPositionEmbeddings, sizes.maxPositionEmbeddings);
  const { numHiddenLayers, numKeyValueHeads, headDim, hiddenSize, intermediateSize, vocabSize } = sizes;
  const norms = (2 * numHiddenLayers + 1) * hiddenSize * 4;
  const told = options.weightBytes === undefined ? null : options.weightBytes / matrixElements(sizes);
  const elementBytes = told ?? options.elementBytes ?? W8_ELEMENT_BYTES;
  const weightBytes = options.weightBytes ?? Math.ceil(matrixElements(sizes) * elementBytes) + norms;
  const pages = numKeyValueHeads * Math.ceil(context / ratio / PAGE_SLOTS);
  const layerBytes = pages * kvLayout('int8', headDim).pageWords * 4;
  const keyCols = numKeyValueHeads * headDim;
  const queryCols = sizes.numAttentionHeads * headDim;
  // A chunk of a prompt: residual and input, q k v twice and the attention's parts, gate, up and their product, the
  // chunk's own keys and values; then the logits of one token.
  const row = 2 * hiddenSize + 3 * queryCols + 4 * keyCols + 3 * intermediateSize;
  const workBytes = DEFAULT_CHUNK * row * 4 + 2 * vocabSize * 4;
  const memoryBytes = numHiddenLayers * layerBytes;
  const largest = Math.max(...matrices(sizes).map(({ elements }) => elements * elementBytes));
  return {
    weightBytes,
    memoryBytes,
    workBytes,
    totalBytes: weightBytes + memoryBytes + workBytes,
    largestBytes: Math.max(Math.ceil(largest), layerBytes),
    context,
    ratio,
  };
}

/**
 * What a model needs for a conversation of `context` tokens under a policy.
 * @param wanted `policy` null is the model's own choice
 */
export function needFor(
  { sizes, weightBytes, forgetting }: DescribedModel,
  wanted: { readonly policy: CachePolicy | null; readonly context: number },
): ModelNeed {
  const { policy } = wanted;
  const context = Math.min(wanted.context, sizes.maxPositionEmbeddings);
  const ratio = ratioOf(policy, forgetting, context);
  if (weightBytes === null) return modelNeed(sizes, { context, ratio });
  const need = modelNeed(sizes, { context, ratio, weightBytes });
  const merged = forgetting && (policy?.kind ?? 'dms') === 'dms' ? forgetting.updatedElements : 0;
  const growth = Math.ceil(merged * Math.max(0, W8_ELEMENT_BYTES - weightBytes / matrixElements(sizes)));
  return { ...need, weightBytes: weightBytes + growth, totalBytes: need.totalBytes + growth };
}

/** How many times fewer tokens are held: of an offset that nobody measured, as the next one with the same window. */
function ratioOf(policy: CachePolicy | null, forgetting: Forgetting | null, context: number): number {
  if (policy?.kind === 'window') return Math.max(1, context / (policy.window + 1 + policy.sinks));
  if (policy?.kind === 'dense' || !forgetting) return 1;
  const { offset = forgetting.offset, window } = policy ?? {};
  const { quality } = forgetting;
  const measured = quality.find((point) => point.offset === offset && (window ?? point.window) === point.window);
  const milder = quality.find((point) => point.offset > offset && point.window === window);
  return (measured ?? milder)?.ratio ?? 1;
}

/**
 * Whether there is room.
 * @param need null where the configuration is not known: then only the disk is asked
 * @param downloadBytes bytes that will be kept on disk; null where nobody says
 */
export function fitOf(need: ModelNeed | null, downloadBytes: number | null, room: Room): Fit {
  const buffer = Math.min(room.maxBufferSize, room.maxStorageBufferBindingSize);
  if (need && need.largestBytes > buffer) {
    return { fits: false, lacks: 'buffer', needBytes: need.largestBytes, haveBytes: buffer };
  }
  const free = room.freeDiskBytes;
  if (free !== null && downloadBytes !== null && downloadBytes > free) {
    return { fits: false, lacks: 'disk', needBytes: downloadBytes, haveBytes: free };
  }
  return { fits: true };
}
