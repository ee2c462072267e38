/**
 * What the decode and the prefill program share: the model on the GPU, the cache it writes, the numerics chosen, and
 * the small rules that follow from them.
 */
import type { KvCache } from '../cache/kv_cache.ts';
import type { BufferPool } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { type Activation, type ActivationForm, int8Bytes } from '../kernels/activation.ts';
import { addBias } from '../kernels/add_bias.ts';
import { headRope } from '../kernels/head_rope.ts';
import { matvec } from '../kernels/matvec.ts';
import type { WeightBuffers } from '../kernels/weights.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';
import { noAngles, type RopeTable, ropeAngles, ropeTable } from './rope.ts';
import type { LayerWeights, ModelWeights } from './weights.ts';

/** How eviction bits arise in a session; what the policy comes to on the GPU. */
export interface Gating {
  /** Where a learned bit is read from; `none` in a model that was not retrofitted. */
  readonly gate: 'none' | 'borrow' | 'adapter';
  /** 0: the bit is always 0. 1: learned. 2: by position, for the window policy. */
  readonly bitMode: 0 | 1 | 2;
  readonly scale: number;
  readonly offset: number;
  readonly shift: 0 | 1;
  /** 1: a bit for each KV head. 0: that of head 0 holds for the layer. */
  readonly perHead: 0 | 1;
  /** Tokens at the start that the window policy never drops. */
  readonly sinks: number;
}

export interface ForwardContext {
  readonly gpu: Gpu;
  /** Buffers of the session that are not the cache's: scratch. */
  readonly buffers: BufferPool;
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly cache: KvCache;
  readonly gating: Gating;
  /** int8 where the weights allow it and the input is not that of q, k and v; or f32 throughout. */
  readonly activations: 'int8' | 'f32';
  readonly elem: Elem;
}

/** Scratch for what the matrix products read, one buffer a shape: a producer fills it, the next product empties it. */
export class InputScratch {
  readonly #context: ForwardContext;
  readonly #rows: number;
  readonly #made = new Map<string, Activation>();
  /**
   * Weights whose input stays float. Rounding the input of q, k and v moves attention scores and eviction bits: in the
   * default model it took the logits' error on the worst of six prompts from 1e-3 to 3.7e-3.
   */
  readonly #exact: ReadonlySet<WeightBuffers>;

  constructor(context: ForwardContext, rows: number) {
    this.#context = context;
    this.#rows = rows;
    this.#exact = new Set(context.weights.layers.map(({ qkv }) => qkv));
  }

  /** [rows, weight.cols] in the form that the weight's product reads. */
  of(weight: WeightBuffers): Activation {
    const quantised = weight.format !== 'f32' && weight.format !== 'f16';
    const int8 = this.#context.activations === 'int8' && quantised && !this.#exact.has(weight);
    const form: ActivationForm = int8 ? 'int8' : 'float';
    const key = `${form} ${weight.cols}`;
    const found = this.#made.get(key);
    if (found) return found;
    const made = this.#make(form, weight.cols);
    this.#made.set(key, made);
    return made;
  }

  #make(form: ActivationForm, cols: number): Activation {
    const { buffers, elem } = this.#context;
    if (form === 'float') return { form, data: buffers.storage('input', this.#rows * cols * elemBytes(elem)) };
    const bytes = int8Bytes(this.#rows, cols);
    return {
      form,
      codes: buffers.storage('input codes', bytes.codes),
      scales: buffers.storage('scales', bytes.scales),
    };
  }
}

/** The angles of up to `rows` tokens on the GPU, and those of layers without position. */
export class RopeInput {
  readonly #context: ForwardContext;
  readonly #table: RopeTable;
  readonly #angles: Float32Array<ArrayBuffer>;
  readonly #buffer: GPUBuffer;
  readonly #still: GPUBuffer | null;

  constructor(context: ForwardContext, rows: number) {
    this.#context = context;
    const { buffers, config } = context;
    this.#table = ropeTable(config);
    this.#angles = new Float32Array(rows * config.headDim);
    this.#buffer = buffers.storage('rope', this.#angles.byteLength);
    this.#still = config.noRopeLayers.length > 0 ? buffers.storage('no rope', this.#angles.byteLength) : null;
    if (!this.#still) return;
    noAngles(this.#angles, config.headDim);
    buffers.write(this.#still, 0, this.#angles);
  }

  /** f32 [rows, headDim] of a layer: cosines, then sines. */
  of(layer: number): GPUBuffer {
    return this.#still && this.#context.config.noRopeLayers.includes(layer) ? this.#still : this.#buffer;
  }

  /** Writes the angles of `rows` tokens from `position` on. */
  prepare(position: number, rows: number): void {
    const { buffers, config } = this.#context;
    ropeAngles({ out: this.#angles, position, rows, table: this.#table });
    buffers.write(this.#buffer, 0, this.#angles.subarray(0, rows * config.headDim));
  }
}

/** Bytes of one element. */
export function elemBytes(elem: Elem): number {
  return elem === 'f16' ? 2 : 4;
}

/** What the policy means for the model's bits. */
export function gatingOf(dms: DmsConfig | null, policy: { kind: string; offset?: number; sinks?: number }): Gating {
  const learned = policy.kind === 'dms' && dms !== null;
  return {
    gate: dms?.variant ?? 'none',
    bitMode: learned ? 1 : policy.kind === 'window' ? 2 : 0,
    scale: dms?.scale ?? 0,
    offset: policy.offset ?? dms?.offset ?? 0,
    shift: dms?.shift ?? 1,
    perHead: learned && !dms.perHead ? 0 : 1,
    sinks: policy.sinks ?? 0,
  };
}

/** Sizes that both programs use again and again. */
export function headSizes(config: ModelConfig): {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly group: number;
  readonly queryCols: number;
  readonly keyCols: number;
  readonly qkvCols: number;
} {
  const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim } = config;
  const queryCols = heads * headDim;
  const keyCols = kvHeads * headDim;
  return { heads, kvHeads, headDim, group: heads / kvHeads, queryCols, keyCols, qkvCols: queryCols + 2 * keyCols };
}

/** Where a layer's parts of the shared buffers begin; words. `rows` is the capacity of the alpha buffer. */
export function layerBases(context: ForwardContext, layer: number, rows: number) {
  const { kvHeads } = headSizes(context.config);
  const { tableStride, ringSize, droppedStride } = context.cache;
  return {
    tableBase: layer * kvHeads * tableStride,
    ringBase: layer * kvHeads * ringSize,
    liveBase: layer * kvHeads,
    tileBase: layer * (kvHeads + 1),
    alphaBase: layer * rows * kvHeads,
    droppedBase: layer * kvHeads * droppedStride,
    droppedStride,
  };
}

/** The head norm, eviction bit and RoPE of `rows` tokens. */
export function headRopeOf(
  context: ForwardContext,
  layer: LayerWeights,
  at: {
    readonly x: GPUBuffer;
    readonly qkv: GPUBuffer;
    readonly q: GPUBuffer;
    readonly k: GPUBuffer;
    readonly rope: GPUBuffer;
    readonly alpha: GPUBuffer;
    readonly alphaBase: number;
    readonly rows: number;
  },
): OpSpec {
  const { config, gating, elem } = context;
  const { heads, kvHeads, headDim } = headSizes(config);
  const { headNorms, gate } = layer;
  const sizes = { heads, kvHeads, headDim, hidden: config.hiddenSize, eps: config.rmsNormEps, position: 0 };
  return headRope({ ...at, ...gating, headNorms, gateWeights: gate, ...sizes, elem });
}

/** The biases of q, k and v over `rows` tokens, where the family has some. */
export function qkvBiasOf(context: ForwardContext, layer: LayerWeights, y: GPUBuffer, rows: number): OpSpec | null {
  const { config, elem } = context;
  return layer.qkvBias && addBias({ y, bias: layer.qkvBias, rows, cols: headSizes(config).qkvCols, elem });
}

/** The product of one row. An adapter that is a CPU computes a row an invocation: barriers cost it most. */
export function rowProduct(
  context: ForwardContext,
  args: {
    readonly weight: WeightBuffers;
    readonly x: Activation;
    readonly out: GPUBuffer;
    readonly store: 'elem' | 'f32' | 'add';
  },
): OpSpec {
  const { elem, gpu } = context;
  const owner = gpu.adapter.fallback && elem === 'f32' ? 'invocation' : 'workgroup';
  return matvec({ ...args, elem, subgroups: owner === 'workgroup' && gpu.subgroups, owner });
}
