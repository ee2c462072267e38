/**
 * A chunk of tokens through the decoder. Its queries see the survivors, the recent ring and the chunk itself under the
 * DMS mask; then the chunk is committed to the cache. Any chunk size gives what token by token gives.
 */
import { type Op, Program } from '../gpu/program.ts';
import { addBiasGrid } from '../kernels/add_bias.ts';
import { embed, embedGrid } from '../kernels/embed.ts';
import { headRopeGrid } from '../kernels/head_rope.ts';
import { kvScatter, kvScatterGrid } from '../kernels/kv_scatter.ts';
import { matmul, matmulGrid } from '../kernels/matmul.ts';
import { prefillAttention, prefillAttentionGrid, suitsSubgroupForm } from '../kernels/prefill_attention.ts';
import { prefillCommit } from '../kernels/prefill_commit.ts';
import { prefillMask } from '../kernels/prefill_mask.ts';
import { rmsnorm } from '../kernels/rmsnorm.ts';
import { siluMul, siluMulGrid } from '../kernels/silu_mul.ts';
import { storeKv, storeKvGrid } from '../kernels/store_kv.ts';
import type { WeightBuffers } from '../kernels/weights.ts';
import type { StepBuffers } from './decode_program.ts';
import {
  elemBytes,
  type ForwardContext,
  headRopeOf,
  headSizes,
  InputScratch,
  layerBases,
  qkvBiasOf,
  RopeInput,
} from './forward.ts';
import type { LayerWeights } from './weights.ts';

interface Scratch {
  readonly qkv: GPUBuffer;
  readonly q: GPUBuffer;
  readonly k: GPUBuffer;
  readonly until: GPUBuffer;
  readonly slotOfRow: GPUBuffer;
  readonly gateUp: GPUBuffer;
}

/** Changes an op for another number of rows at another position. */
type Prepare = (rows: number, position: number) => void;

export class PrefillProgram {
  readonly program: Program;
  /** f32 [chunk, hidden]: the residual stream after the last layer. */
  readonly x: GPUBuffer;
  /** u32 [layers, chunk, kvHeads]: the bits of the chunk's tokens. */
  readonly alpha: GPUBuffer;
  readonly chunk: number;
  readonly #c: ForwardContext;
  readonly #s: Scratch;
  readonly #inputs: InputScratch;
  readonly #prepare: Prepare[] = [];
  readonly #pooled: Op[][] = [];
  readonly #ropes: Op[] = [];
  readonly #untilStride: number;
  readonly #rope: RopeInput;

  constructor(context: ForwardContext, shared: StepBuffers, chunk: number) {
    this.#c = context;
    this.chunk = chunk;
    const { buffers, gpu, config, weights, elem, cache } = context;
    const { queryCols, keyCols, qkvCols, kvHeads } = headSizes(config);
    const bytes = elemBytes(elem);
    this.#untilStride = cache.tableStride * 32 + chunk;
    this.#inputs = new InputScratch(context, chunk);
    this.#rope = new RopeInput(context, chunk);
    this.x = buffers.storage('residual', chunk * config.hiddenSize * 4);
    this.alpha = buffers.storage('alpha', config.numHiddenLayers * chunk * kvHeads * 4);
    this.#s = {
      qkv: buffers.storage('qkv', chunk * qkvCols * bytes),
      q: buffers.storage('q', chunk * queryCols * bytes),
      k: buffers.storage('k', chunk * keyCols * bytes),
      until: buffers.storage('until', kvHeads * this.#untilStride * 4),
      slotOfRow: buffers.storage('slot of row', kvHeads * chunk * 4),
      gateUp: buffers.storage('gate up', chunk * 2 * config.intermediateSize * bytes),
    };
    this.program = new Program(gpu.device, 'prefill');
    const size = { rows: chunk, cols: config.hiddenSize };
    const lookup = this.program.add(embed({ tokens: shared.tokens, table: weights.embedding, out: this.x, ...size }));
    this.#prepare.push((rows) => {
      lookup.workgroups = embedGrid({ ...size, rows });
    });
    weights.layers.forEach((layer, index) => {
      this.#addLayer(layer, index);
    });
  }

  /** Sets rows and position of the coming run. */
  prepare(rows: number, position: number): void {
    this.#rope.prepare(position, rows);
    for (const prepare of this.#prepare) prepare(rows, position);
  }

  /** Follows a pool that was replaced by a larger one. */
  rebind(layer: number): void {
    for (const op of this.#pooled[layer]) op.rebind('pool', this.#c.cache.pools[layer]);
  }

  /** Changes the eviction offset of the coming chunks. */
  setOffset(offset: number): void {
    for (const op of this.#ropes) op.set({ offset });
  }

  #addLayer(w: LayerWeights, index: number): void {
    const { config, elem } = this.#c;
    const { gateUp, qkv } = this.#s;
    this.#project(w.inputNorm, w.qkv, qkv);
    this.#addBias(w);
    this.#addAttention(w, index);
    this.#project(w.postNorm, w.gateUp, gateUp);
    const cols = config.intermediateSize;
    const inner = this.#inputs.of(w.downProj);
    const gated = this.program.add(siluMul({ gateUp, out: inner, rows: this.chunk, cols, elem }));
    this.#prepare.push((rows) => {
      gated.workgroups = siluMulGrid({ rows, cols });
    });
    this.#product(w.downProj, this.x, 'add');
  }

  #addBias(w: LayerWeights): void {
    const bias = qkvBiasOf(this.#c, w, this.#s.qkv, this.chunk);
    if (!bias) return;
    const op = this.program.add(bias);
    const cols = headSizes(this.#c.config).qkvCols;
    this.#prepare.push((rows) => {
      op.workgroups = addBiasGrid({ rows, cols });
    });
  }

  #addAttention(w: LayerWeights, index: number): void {
    const { cache, elem, config, gating } = this.#c;
    const { headDim, kvHeads, group, queryCols, keyCols, qkvCols } = headSizes(config);
    const { q, k, qkv, until, slotOfRow } = this.#s;
    const rope = this.#rope.of(index);
    const { layout, staging, stagePages, pageTable, live, ring, ringSize, tableStride } = cache;
    const rows = this.chunk;
    const at = layerBases(this.#c, index, rows);
    const pool = cache.pools[index];
    const add = this.program.add.bind(this.program);
    const rotate = add(
      headRopeOf(this.#c, w, { x: this.x, qkv, q, k, rope, alpha: this.alpha, alphaBase: at.alphaBase, rows }),
    );
    const flags = {
      alpha: this.alpha,
      ring,
      live,
      ringSize,
      shift: gating.shift,
      perHead: gating.perHead === 1,
      kvHeads,
    };
    const span = { position: 0, rows, untilStride: this.#untilStride };
    const mask = add(prefillMask({ ...flags, ...at, ...span, until }));
    const store = add(
      storeKv({
        ...{ k, v: qkv, pool: staging, layout, elem, rows, kvHeads, stagePages },
        ...{ vOffset: queryCols + keyCols, vStride: qkvCols, mode: 'staged' },
      }),
    );
    const out = this.#inputs.of(w.oProj);
    const paged = { pool, pageTable, tableBase: at.tableBase, tableStride, staging, stagePages, layout };
    const attend = add(
      prefillAttention({
        q,
        until,
        live,
        liveBase: at.liveBase,
        out,
        ...paged,
        ...span,
        kvHeads,
        group,
        headDim,
        elem,
        subgroups: suitsSubgroupForm(this.#c.gpu, headDim),
      }),
    );
    const commit = add(
      prefillCommit({ ...flags, ...at, ...span, slotOfRow, slotStride: rows, dropped: cache.dropped }),
    );
    const scatter = add(kvScatter({ slotOfRow, slotStride: rows, ...paged, rows, kvHeads }));
    this.#pooled.push([attend, scatter]);
    this.#ropes.push(rotate);
    this.#prepare.push((count, position) => {
      rotate.set({ position, rows: count });
      rotate.workgroups = headRopeGrid({ rows: count, heads: config.numAttentionHeads, kvHeads, gate: gating.gate });
      for (const op of [mask, attend, commit]) op.set({ position, rows: count });
      scatter.set({ rows: count });
      store.workgroups = storeKvGrid({ rows: count, kvHeads });
      attend.workgroups = prefillAttentionGrid({ rows: count, kvHeads, group });
      scatter.workgroups = kvScatterGrid({ rows: count, kvHeads, layout });
    });
    this.#product(w.oProj, this.x, 'add');
  }

  /** RMS norm of the residual stream, then the product that reads it. */
  #project(norm: GPUBuffer, weight: WeightBuffers, out: GPUBuffer): void {
    const { config, elem, gpu } = this.#c;
    const size = { rows: this.chunk, cols: config.hiddenSize, eps: config.rmsNormEps };
    const input = this.#inputs.of(weight);
    const op = this.program.add(
      rmsnorm({ x: this.x, weight: norm, out: input, ...size, elem, subgroups: gpu.subgroups }),
    );
    this.#prepare.push((rows) => {
      op.workgroups = [rows, 1, 1];
    });
    this.#product(weight, out, 'elem');
  }

  #product(weight: WeightBuffers, out: GPUBuffer, store: 'elem' | 'add'): void {
    const { elem } = this.#c;
    const op = this.program.add(matmul({ weight, x: this.#inputs.of(weight), out, rows: this.chunk, store, elem }));
    this.#prepare.push((rows) => {
      op.set({ rows });
      op.workgroups = matmulGrid({ rows, n: weight.rows });
    });
  }
}
