/**
 * The weights of a model that was retrofitted with low-rank updates, twice: as the base has them, for the policies
 * `dense` and `window`, and merged with the updates, for `dms`. A set comes to the GPU when it is first asked for and
 * stays; what the two have in common is there once. A model without updates has one set, which is both.
 */
import type { LowRankUpdates } from '../formats/low_rank.ts';
import type { WeightChoice } from '../formats/weight_choice.ts';
import { BufferPool } from '../gpu/buffers.ts';
import { type Gpu, withErrorScopes } from '../gpu/device.ts';
import type { WeightBuffers } from '../kernels/weights.ts';
import { type LoadWeightsOptions, loadWeights, type ModelWeights } from './weights.ts';

export interface WeightSetsOptions extends Pick<LoadWeightsOptions, 'checkpoint' | 'sidecar' | 'config' | 'dms'> {
  readonly gpu: Gpu;
  readonly updates: LowRankUpdates | null;
  readonly weights: WeightChoice;
}

export interface LoadSetOptions {
  /** Bytes read for this set. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

export class WeightSets {
  readonly #o: WeightSetsOptions;
  readonly #loaded = new Map<'base' | 'merged', ModelWeights>();
  readonly #uploaded = { vectors: new Map<string, GPUBuffer>(), matrices: new Map<string, WeightBuffers>() };
  /** One a load, so that a load that fails takes its buffers with it. */
  readonly #pools = new Set<BufferPool>();
  readonly #destroyed = new AbortController();
  /** Resolves when all loads asked for so far are over. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: WeightSetsOptions) {
    this.#o = options;
  }

  /** Bytes on the GPU. */
  get allocatedBytes(): number {
    return [...this.#pools].reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
  }

  /**
   * The weights that a policy uses; loads them when they are not there. Loads run one after another, and one that
   * fails leaves what was loaded before as it is.
   * @throws UnsupportedModelError, FormatError, DeviceError; the signal's reason when it fires
   */
  forPolicy(kind: 'dms' | 'dense' | 'window', options: LoadSetOptions = {}): Promise<ModelWeights> {
    const set = kind === 'dms' && this.#o.updates ? 'merged' : 'base';
    const result = this.#tail.then(() => this.#loaded.get(set) ?? this.#load(set, options));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  destroy(): void {
    this.#destroyed.abort(new Error('The model was destroyed; load it again.'));
    for (const pool of this.#pools) pool.destroyAll();
    this.#pools.clear();
    this.#loaded.clear();
  }

  async #load(set: 'base' | 'merged', { onProgress, signal: asked }: LoadSetOptions): Promise<ModelWeights> {
    const { gpu, ...source } = this.#o;
    const signal = asked ? AbortSignal.any([asked, this.#destroyed.signal]) : this.#destroyed.signal;
    signal.throwIfAborted();
    const buffers = new BufferPool(gpu.device);
    this.#pools.add(buffers);
    try {
      const merge = set === 'merged';
      const progress = onProgress ? { onProgress } : {};
      const { weights, made } = await withErrorScopes(gpu.device, 'the weights', () =>
        loadWeights({ ...source, merge, uploaded: this.#uploaded, buffers, signal, ...progress }),
      );
      signal.throwIfAborted();
      for (const [name, vector] of made.vectors) this.#uploaded.vectors.set(name, vector);
      for (const [name, matrix] of made.matrices) this.#uploaded.matrices.set(name, matrix);
      this.#loaded.set(set, weights);
      return weights;
    } catch (cause) {
      buffers.destroyAll();
      this.#pools.delete(buffers);
      throw cause;
    }
  }
}
