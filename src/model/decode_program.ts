/**
 * One token through the decoder: embed, the layers, the logits. The token is read from a buffer on the GPU, where the
 * sampler left it, and a halted step changes nothing in the cache.
 */
import { type Op, type OpSpec, Program } from '../gpu/program.ts';
import { attention } from '../kernels/attention.ts';
import { embed } from '../kernels/embed.ts';
import { evict } from '../kernels/evict.ts';
import { merge } from '../kernels/merge.ts';
import { rmsnorm } from '../kernels/rmsnorm.ts';
import { siluMul } from '../kernels/silu_mul.ts';
import { storeKv } from '../kernels/store_kv.ts';
import type { WeightBuffers } from '../kernels/weights.ts';
import {
  elemBytes,
  type ForwardContext,
  headRopeOf,
  headSizes,
  InputScratch,
  layerBases,
  qkvBiasOf,
  RopeInput,
  rowProduct,
} from './forward.ts';
import type { LayerWeights } from './weights.ts';

/** Buffers that the session, the sampler and the programs share. */
export interface StepBuffers {
  /** u32 [chunk]: the ids to read; decode reads the first. */
  readonly tokens: GPUBuffer;
  /** f32 [vocab] */
  readonly logits: GPUBuffer;
  /** u32 [4]: halt flag, tokens chosen. */
  readonly state: GPUBuffer;
}

interface Scratch {
  readonly x: GPUBuffer;
  readonly qkv: GPUBuffer;
  readonly q: GPUBuffer;
  readonly k: GPUBuffer;
  readonly slots: GPUBuffer;
  readonly partialOut: GPUBuffer;
  readonly partialMl: GPUBuffer;
  readonly gateUp: GPUBuffer;
}

interface LayerOps {
  readonly headRope: Op;
  readonly evict: Op;
  readonly storeKv: Op;
  readonly attention: Op;
}

export class DecodeProgram {
  readonly program: Program;
  /** u32 [layers, kvHeads]: the bits of the last step. */
  readonly alpha: GPUBuffer;
  readonly #c: ForwardContext;
  readonly #s: Scratch;
  readonly #layers: LayerOps[] = [];
  readonly #rope: RopeInput;
  readonly #inputs: InputScratch;

  constructor(context: ForwardContext, shared: StepBuffers) {
    this.#c = context;
    const { buffers, gpu, config, weights, elem } = context;
    const { headDim, queryCols, keyCols, qkvCols, group, kvHeads } = headSizes(config);
    const bytes = elemBytes(elem);
    const tiles = kvHeads * Math.ceil(context.cache.tableStride / 2);
    this.#rope = new RopeInput(context, 1);
    this.#inputs = new InputScratch(context, 1);
    this.#s = {
      x: buffers.storage('residual', config.hiddenSize * 4),
      qkv: buffers.storage('qkv', qkvCols * bytes),
      q: buffers.storage('q', queryCols * bytes),
      k: buffers.storage('k', keyCols * bytes),
      slots: buffers.storage('slots', kvHeads * 4),
      partialOut: buffers.storage('partial out', tiles * group * headDim * 4),
      partialMl: buffers.storage('partial max and sum', tiles * group * 8),
      gateUp: buffers.storage('gate up', 2 * config.intermediateSize * bytes),
    };
    this.alpha = buffers.storage('alpha', config.numHiddenLayers * kvHeads * 4);
    this.program = new Program(gpu.device, 'decode');
    const size = { rows: 1, cols: config.hiddenSize };
    this.program.add(embed({ tokens: shared.tokens, table: weights.embedding, out: this.#s.x, ...size }));
    weights.layers.forEach((layer, index) => {
      this.#layers.push(this.#addLayer(layer, index, shared));
    });
    this.#project(weights.finalNorm, weights.lmHead, shared.logits, 'f32');
  }

  /** Sets what changes with the position; call after the cache's `submit`. */
  prepare(position: number): void {
    const { cache } = this.#c;
    this.#rope.prepare(position, 1);
    this.#layers.forEach((ops, layer) => {
      ops.headRope.set({ position });
      ops.evict.set({ position });
      ops.attention.workgroups = [cache.tileCount(layer), 1, 1];
    });
  }

  /** Follows a pool that was replaced by a larger one. */
  rebind(layer: number): void {
    const ops = this.#layers[layer];
    ops.storeKv.rebind('pool', this.#c.cache.pools[layer]);
    ops.attention.rebind('pool', this.#c.cache.pools[layer]);
  }

  /** Changes the eviction offset of the coming steps. */
  setOffset(offset: number): void {
    for (const { headRope: op } of this.#layers) op.set({ offset });
  }

  #addLayer(w: LayerWeights, index: number, shared: StepBuffers): LayerOps {
    const { config, elem } = this.#c;
    const { x, qkv, gateUp } = this.#s;
    this.#project(w.inputNorm, w.qkv, qkv, 'elem');
    const bias = qkvBiasOf(this.#c, w, qkv, 1);
    if (bias) this.program.add(bias);
    const ops = this.#addAttention(w, index, shared);
    this.#project(w.postNorm, w.gateUp, gateUp, 'elem');
    const inner = this.#inputs.of(w.downProj);
    this.program.add(siluMul({ gateUp, out: inner, rows: 1, cols: config.intermediateSize, elem }));
    this.program.add(rowProduct(this.#c, { weight: w.downProj, x: inner, out: x, store: 'add' }));
    return ops;
  }

  #addAttention(w: LayerWeights, index: number, shared: StepBuffers): LayerOps {
    const { cache, elem } = this.#c;
    const { q, k, qkv, x, slots, partialOut, partialMl } = this.#s;
    const { headDim, kvHeads, group, queryCols, keyCols } = headSizes(this.#c.config);
    const { layout } = cache;
    const at = layerBases(this.#c, index, 1);
    const pool = cache.pools[index];
    const rope = this.program.add(this.#headRope(w, index, at.alphaBase));
    const choose = this.program.add(
      evict({
        alpha: this.alpha,
        ring: cache.ring,
        live: cache.live,
        slots,
        dropped: cache.dropped,
        state: shared.state,
        position: 0,
        ringSize: cache.ringSize,
        shift: this.#c.gating.shift,
        perHead: this.#c.gating.perHead,
        kvHeads,
        slotBase: 0,
        ...at,
      }),
    );
    const store = this.program.add(
      storeKv({
        k,
        v: qkv,
        slots,
        pageTable: cache.pageTable,
        pool,
        layout,
        elem,
        rows: 1,
        kvHeads,
        vOffset: queryCols + keyCols,
        vStride: queryCols + 2 * keyCols,
        slotBase: 0,
        tableBase: at.tableBase,
        tableStride: cache.tableStride,
        mode: 'paged',
      }),
    );
    const common = { partialOut, partialMl, live: cache.live, tiles: cache.tiles, kvHeads, group, headDim, ...at };
    const attend = this.program.add(
      attention({
        ...common,
        q,
        pool,
        pageTable: cache.pageTable,
        layout,
        tableStride: cache.tableStride,
        elem,
      }),
    );
    const merged = this.#inputs.of(w.oProj);
    this.program.add(merge({ ...common, out: merged, elem }));
    this.program.add(rowProduct(this.#c, { weight: w.oProj, x: merged, out: x, store: 'add' }));
    return { headRope: rope, evict: choose, storeKv: store, attention: attend };
  }

  #headRope(w: LayerWeights, index: number, alphaBase: number): OpSpec {
    const { x, qkv, q, k } = this.#s;
    const rope = this.#rope.of(index);
    return headRopeOf(this.#c, w, { x, qkv, q, k, rope, alpha: this.alpha, alphaBase, rows: 1 });
  }

  /** RMS norm of the residual stream, then the product that reads it. */
  #project(norm: GPUBuffer, weight: WeightBuffers, out: GPUBuffer, store: 'elem' | 'f32'): void {
    const { config, elem, gpu } = this.#c;
    const { subgroups } = gpu;
    const input = this.#inputs.of(weight);
    const size = { rows: 1, cols: config.hiddenSize, eps: config.rmsNormEps };
    this.program.add(rmsnorm({ x: this.#s.x, weight: norm, out: input, ...size, elem, subgroups }));
    this.program.add(rowProduct(this.#c, { weight, x: input, out, store }));
  }
}
