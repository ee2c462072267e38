/**
 * Brings a checkpoint's weights to the GPU, tensor by tensor, in the layouts of the kernels. Projections that read the
 * same input are joined by rows, so that one dispatch computes them. What another set of weights brought already is
 * not brought again.
 */

import { dequantise } from '../formats/dequantise.ts';
import { type LowRankUpdates, packMerged, readUpdate } from '../formats/low_rank.ts';
import { concatPacked, type PackedWeight } from '../formats/packed.ts';
import type { Checkpoint, TensorInfo } from '../formats/tensor.ts';
import { commonFormat, readPacked, type WeightChoice } from '../formats/weight_choice.ts';
import type { BufferPool } from '../gpu/buffers.ts';
import { packGate, packHeadNorms } from '../kernels/head_rope.ts';
import type { WeightBuffers } from '../kernels/weights.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';
import { UnsupportedModelError } from './errors.ts';

/** Tensors of one decoder layer. Shapes are [rows, cols]. */
export interface LayerWeights {
  /** f32 [hidden] */
  readonly inputNorm: GPUBuffer;
  /** [(Hq + 2 Hkv) * D, hidden]: q, k, v */
  readonly qkv: WeightBuffers;
  /** f32 [(Hq + 2 Hkv) * D]: of q, k, v; null in families without biases */
  readonly qkvBias: GPUBuffer | null;
  /** f32 [2, D]: of the queries, of the keys; null in families without head norms */
  readonly headNorms: GPUBuffer | null;
  /** [hidden, Hq * D] */
  readonly oProj: WeightBuffers;
  /** f32 [hidden] */
  readonly postNorm: GPUBuffer;
  /** [2 * intermediate, hidden]: gate, up */
  readonly gateUp: WeightBuffers;
  /** [hidden, intermediate] */
  readonly downProj: WeightBuffers;
  /** The eviction adapter of variant B: norm [hidden], weight [Hkv, hidden], bias [Hkv], f32; else null. */
  readonly gate: GPUBuffer | null;
}

export interface ModelWeights {
  /** [vocab, hidden] */
  readonly embedding: WeightBuffers;
  readonly layers: readonly LayerWeights[];
  /** f32 [hidden] */
  readonly finalNorm: GPUBuffer;
  /** [vocab, hidden]; the embedding itself where the two are tied */
  readonly lmHead: WeightBuffers;
}

/** Tensors on the GPU, by names that say all that they hold. */
export interface Uploaded {
  readonly vectors: ReadonlyMap<string, GPUBuffer>;
  readonly matrices: ReadonlyMap<string, WeightBuffers>;
}

export interface LoadWeightsOptions {
  readonly checkpoint: Checkpoint;
  /** Where the adapters and the updates are; null where the adapters are in the checkpoint itself. */
  readonly sidecar: Checkpoint | null;
  /** The sidecar's low-rank updates, where it has some. */
  readonly updates: LowRankUpdates | null;
  /** True merges the updates into their projections; false leaves these as they are. */
  readonly merge: boolean;
  readonly config: ModelConfig;
  readonly dms: DmsConfig | null;
  /** Made by another load of this checkpoint; used where this one would make the same. */
  readonly uploaded: Uploaded;
  readonly buffers: BufferPool;
  readonly weights: WeightChoice;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Loads all tensors. `made` is what was not uploaded before.
 * @throws UnsupportedModelError for a tensor that is missing or has another shape
 */
export async function loadWeights(
  options: LoadWeightsOptions,
): Promise<{ readonly weights: ModelWeights; readonly made: Uploaded }> {
  const loader = new Loader(options);
  const { config } = options;
  requireKnownTensors(options.checkpoint, config);
  const { hiddenSize: hidden, vocabSize: vocab } = config;
  const embedding = await loader.matrix(['model.embed_tokens.weight'], [vocab, hidden]);
  // In the file's order, which may be 0, 1, 10, 11, ..., 2: so that each part of a cut file is fetched once.
  const place = (layer: number) =>
    options.checkpoint.tensors.get(`model.layers.${layer}.input_layernorm.weight`)?.offset ?? 0;
  const order = Array.from({ length: config.numHiddenLayers }, (_, i) => i).sort((a, b) => place(a) - place(b));
  const layers: LayerWeights[] = [];
  for (const i of order) {
    // Merging keeps the thread busy for seconds; between layers an abort can arrive.
    if (options.merge) await new Promise((resolve) => setTimeout(resolve, 0));
    layers[i] = await loader.layer(i);
  }
  const finalNorm = await loader.vector('model.norm.weight', hidden);
  const lmHead = config.tieWordEmbeddings ? embedding : await loader.matrix(['lm_head.weight'], [vocab, hidden]);
  return { weights: { embedding, layers, finalNorm, lmHead }, made: loader.made };
}

/**
 * How matrices that share a dispatch are held. Where a query channel carries the eviction bit, rounding q, k and v
 * would change the bits.
 */
export function heldAs(infos: readonly TensorInfo[], choice: WeightChoice, dms: DmsConfig | null) {
  const exact = dms?.variant === 'borrow' && infos.some(({ name }) => name.endsWith('self_attn.q_proj.weight'));
  return commonFormat(infos, choice, exact);
}

/** Tensors of a layer by what follows `model.layers.<n>.`, and whether a configuration uses them. */
const LAYER_TENSOR = /^((input|post_attention)_layernorm|mlp\.(gate|up|down)_proj|self_attn\.[qkvo]_proj)\.weight$/;
const GATE_TENSOR = /^self_attn\.dms_proj_alpha(_norm)?\.(weight|bias)$/;
const BIAS_TENSOR = /^self_attn\.[qkv]_proj\.bias$/;
const HEAD_NORM_TENSOR = /^self_attn\.[qk]_norm\.weight$/;
/** What a checkpoint may carry that is computed from the configuration, or twice. */
const REDUNDANT = /^(lm_head\.weight|rope_freqs\.weight|model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq)$/;
const GLOBAL_TENSOR = /^model\.(embed_tokens|norm)\.weight$/;

/**
 * A tensor that nothing reads means another architecture than the configuration says.
 * @throws UnsupportedModelError that names it
 */
export function requireKnownTensors({ name: file, tensors }: Checkpoint, config: ModelConfig): void {
  for (const name of tensors.keys()) {
    if (GLOBAL_TENSOR.test(name) || REDUNDANT.test(name)) continue;
    const [, layer, part] = /^model\.layers\.(\d+)\.(.*)$/.exec(name) ?? [];
    const known =
      Number(layer) < config.numHiddenLayers &&
      (LAYER_TENSOR.test(part) ||
        GATE_TENSOR.test(part) ||
        (config.qkvBias && BIAS_TENSOR.test(part)) ||
        (config.headNorm && HEAD_NORM_TENSOR.test(part)));
    if (known) continue;
    throw new UnsupportedModelError(
      `${file}: tensor ${name} is none of a ${config.architecture} of ${config.numHiddenLayers} layers. ` +
        'Without it the answers would be wrong, so the model is not loaded.',
    );
  }
}

class Loader {
  readonly made = { vectors: new Map<string, GPUBuffer>(), matrices: new Map<string, WeightBuffers>() };
  readonly #o: LoadWeightsOptions;
  readonly #total: number;
  #done = 0;

  constructor(options: LoadWeightsOptions) {
    this.#o = options;
    const { checkpoint, uploaded, updates } = options;
    // A second set reads little more than the projections with an update.
    const again = uploaded.matrices.size > 0;
    const read = [...checkpoint.tensors.values()].filter(({ name }) => !again || updates?.byWeight.has(name));
    this.#total = read.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  async layer(index: number): Promise<LayerWeights> {
    const { config } = this.#o;
    const { hiddenSize: hidden, intermediateSize: inner, headDim } = config;
    const p = `model.layers.${index}`;
    const a = `${p}.self_attn`;
    const queries = config.numAttentionHeads * headDim;
    const keys = config.numKeyValueHeads * headDim;
    return {
      inputNorm: await this.vector(`${p}.input_layernorm.weight`, hidden),
      qkv: await this.matrix(
        [`${a}.q_proj.weight`, `${a}.k_proj.weight`, `${a}.v_proj.weight`],
        [queries + 2 * keys, hidden],
      ),
      qkvBias: config.qkvBias ? await this.#qkvBias(a, [queries, keys, keys]) : null,
      headNorms: config.headNorm ? await this.#headNorms(a) : null,
      oProj: await this.matrix([`${a}.o_proj.weight`], [hidden, queries]),
      postNorm: await this.vector(`${p}.post_attention_layernorm.weight`, hidden),
      gateUp: await this.matrix([`${p}.mlp.gate_proj.weight`, `${p}.mlp.up_proj.weight`], [2 * inner, hidden]),
      downProj: await this.matrix([`${p}.mlp.down_proj.weight`], [hidden, inner]),
      gate: this.#o.dms?.variant === 'adapter' ? await this.#gate(a) : null,
    };
  }

  #qkvBias(attention: string, lengths: readonly number[]): Promise<GPUBuffer> {
    return this.#once(`${attention} biases`, async () => {
      const biases: number[] = [];
      for (const [i, part] of ['q', 'k', 'v'].entries()) {
        biases.push(...(await this.#values(this.#o.checkpoint, `${attention}.${part}_proj.bias`, lengths[i])));
      }
      return Float32Array.from(biases);
    });
  }

  #headNorms(attention: string): Promise<GPUBuffer> {
    const { checkpoint, config } = this.#o;
    const of = (name: string) => this.#values(checkpoint, `${attention}.${name}.weight`, config.headDim);
    return this.#once(`${attention} head norms`, async () => packHeadNorms(await of('q_norm'), await of('k_norm')));
  }

  #gate(attention: string): Promise<GPUBuffer> {
    const { sidecar, checkpoint, config } = this.#o;
    const source = sidecar ?? checkpoint;
    const { hiddenSize: hidden, numKeyValueHeads: heads } = config;
    const of = (name: string, length: number) => this.#values(source, `${attention}.${name}`, length);
    return this.#once(`${attention} gate`, async () => {
      const norm = await of('dms_proj_alpha_norm.weight', hidden);
      const weight = await of('dms_proj_alpha.weight', heads * hidden);
      const biased = source.tensors.has(`${attention}.dms_proj_alpha.bias`);
      return packGate({ norm, weight, bias: biased ? await of('dms_proj_alpha.bias', heads) : null });
    });
  }

  /** An f32 vector. */
  vector(name: string, length: number): Promise<GPUBuffer> {
    return this.#once(name, () => this.#values(this.#o.checkpoint, name, length));
  }

  async #once(name: string, values: () => Promise<Float32Array>): Promise<GPUBuffer> {
    const found = this.#o.uploaded.vectors.get(name);
    if (found) return found;
    const buffer = this.#o.buffers.upload(name, await values());
    this.made.vectors.set(name, buffer);
    return buffer;
  }

  /**
   * A matrix, or several that have the same columns, joined by rows. Where one of them has an update, all of them are
   * held in w8 (or in f32, where everything is).
   */
  async matrix(names: readonly string[], shape: readonly [number, number]): Promise<WeightBuffers> {
    const { uploaded, updates, merge, buffers } = this.#o;
    const merged = merge && names.some((name) => updates?.byWeight.has(name));
    const key = `${names[0]}${merged ? ' merged' : ''}`;
    const found = uploaded.matrices.get(key);
    if (found) return found;
    const infos = this.#joinable(names, shape);
    const [rows, cols] = shape;
    const { format, codes, scales } = merged ? await this.#packMerged(infos) : await this.#pack(infos);
    const made = {
      ...{ format, rows, cols, codes: buffers.upload(`${key} codes`, codes) },
      scales: scales ? buffers.upload(`${key} scales`, scales) : null,
    };
    this.made.matrices.set(key, made);
    return made;
  }

  #joinable(names: readonly string[], [rows, cols]: readonly [number, number]): readonly TensorInfo[] {
    const infos = names.map((name) => this.#info(this.#o.checkpoint, name));
    const total = infos.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    if (total !== rows || infos.some(({ shape }) => shape.length !== 2 || shape[1] !== cols)) {
      const shapes = infos.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join(', ');
      throw new UnsupportedModelError(`Expected [${rows}, ${cols}] in all from ${shapes}.`);
    }
    return infos;
  }

  async #pack(infos: readonly TensorInfo[]): Promise<PackedWeight> {
    const { checkpoint, weights, dms, signal } = this.#o;
    const { target } = heldAs(infos, weights, dms);
    const packed: PackedWeight[] = [];
    for (const info of infos) {
      packed.push(await readPacked(checkpoint, info, target, signal));
      this.#count(info);
    }
    return concatPacked(packed);
  }

  async #packMerged(infos: readonly TensorInfo[]): Promise<PackedWeight> {
    const { checkpoint, sidecar, updates, weights, signal } = this.#o;
    const target = weights === 'f32' ? 'f32' : 'native';
    const packed: PackedWeight[] = [];
    for (const info of infos) {
      const update = sidecar && updates ? await readUpdate(sidecar, updates, info.name, signal) : null;
      packed.push(packMerged({ info, bytes: await checkpoint.read(info.name, signal), update, target }));
      this.#count(info);
    }
    return concatPacked(packed);
  }

  async #values(source: Checkpoint, name: string, length: number): Promise<Float32Array> {
    const info = this.#info(source, name);
    const values = dequantise(info, await source.read(name, this.#o.signal));
    if (values.length !== length) {
      throw new UnsupportedModelError(`${name} has ${values.length} elements; ${length} are expected.`);
    }
    this.#count(info);
    return values;
  }

  #info(source: Checkpoint, name: string): TensorInfo {
    const info = source.tensors.get(name);
    if (!info) throw new UnsupportedModelError(`The checkpoint has no tensor ${name}.`);
    return info;
  }

  #count(info: TensorInfo): void {
    this.#done = Math.min(this.#total, this.#done + info.byteLength);
    this.#o.onProgress?.(this.#done, this.#total);
    this.#o.signal?.throwIfAborted();
  }
}
