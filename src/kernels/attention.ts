/** Host side of `attention`: one token over the slots in use, in tiles. It neither stores nor chooses slots. */
import bodyWgsl from '../../shaders/attention.wgsl?raw';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import type { KvFormat, KvLayout } from './kv_layout.ts';
import { HEAD_DIMS, type HeadDim, headDimOf, kvConsts, kvLib } from './kv_libs.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

/** Slots of one tile: two pages. */
export const TILE_SLOTS = 64;

/** 64, 128 and 256 were timed: 128 is as fast as 64 on a CPU adapter, and a GPU has twice the loads under way. */
const WORKGROUP_SIZE = 128;

/** Query heads of one KV head for which a workgroup has room. */
export const MAX_GROUP = 8;

/** Workgroup memory that every adapter has, in bytes, less a margin for alignment. */
const WORKGROUP_BYTES = 16_384 - 256;

export interface AttentionVariant {
  readonly format: KvFormat;
  readonly headDim: HeadDim;
  readonly elem: Elem;
}

export const attentionKernel: KernelSpec<AttentionVariant> = {
  name: 'attention',
  params: {
    kv_heads: 'u32',
    table_base: 'u32',
    table_stride: 'u32',
    live_base: 'u32',
    tile_base: 'u32',
    scale: 'f32',
  },
  variants: combine({
    format: ['int8', 'f16', 'f32'],
    headDim: HEAD_DIMS,
    elem: ['f32', 'f16'],
  } as const),
  link: ({ format, headDim, elem }) => ({
    elem,
    consts: { WORKGROUP_SIZE, TILE_SLOTS, MAX_GROUP, ...kvConsts(format, headDim) },
    libs: [kvLib(format)],
    body: bodyWgsl,
  }),
};

/** How many query heads' sums are joined at a time: as many as workgroup memory has room for, in even turns. */
function batchOf(group: number, headDim: number): number {
  const perHead = (headDim + WORKGROUP_SIZE + TILE_SLOTS) * 4;
  const room = WORKGROUP_BYTES - 2 * WORKGROUP_SIZE * 4 - group * perHead;
  const most = Math.floor(room / (WORKGROUP_SIZE * 16));
  return Math.ceil(group / Math.ceil(group / most));
}

/**
 * Partial attention of one token. The grid, [tiles, 1, 1], changes between runs.
 * @param args.q [kvHeads * group, headDim] elem
 * @param args.tiles u32 [kvHeads + 1] from word tileBase: tiles before each head, an upper bound
 * @param args.partialOut f32 [tiles, group, headDim], args.partialMl f32 [tiles, group, 2], out
 */
export function attention(args: {
  readonly q: GPUBuffer;
  readonly pool: GPUBuffer;
  readonly pageTable: GPUBuffer;
  readonly live: GPUBuffer;
  readonly tiles: GPUBuffer;
  readonly partialOut: GPUBuffer;
  readonly partialMl: GPUBuffer;
  readonly layout: KvLayout;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly tableBase: number;
  readonly tableStride: number;
  readonly liveBase: number;
  readonly tileBase: number;
  /** Tiles of the first run; default 1. */
  readonly tileCount?: number;
  readonly elem: Elem;
}): OpSpec {
  const { q, pool, pageTable, live, tiles, partialOut, partialMl, layout, group, headDim, elem } = args;
  assert(layout.headDim === headDim, `the cache holds heads of ${layout.headDim}, the queries are of ${headDim}`);
  assert(group <= MAX_GROUP, `attention takes at most ${MAX_GROUP} query heads of a KV head, not ${group}`);
  const variant = { format: layout.format, headDim: headDimOf(headDim), elem };
  return {
    label: labelOf(attentionKernel, variant),
    text: linkKernel(attentionKernel, variant),
    overrides: { GROUP: group, BATCH: batchOf(group, headDim) },
    buffers: { q, pool, page_table: pageTable, live, tiles, partial_out: partialOut, partial_ml: partialMl },
    params: {
      kv_heads: args.kvHeads,
      table_base: args.tableBase,
      table_stride: args.tableStride,
      live_base: args.liveBase,
      tile_base: args.tileBase,
      scale: 1 / Math.sqrt(headDim),
    },
    workgroups: [args.tileCount ?? 1, 1, 1],
  };
}
