/** Host side of `store_kv`: keys and values of tokens into pages, of the pool or of a chunk's staging buffer. */
import placePagedWgsl from '../../shaders/lib/kv_place_paged.wgsl?raw';
import placeStagedWgsl from '../../shaders/lib/kv_place_staged.wgsl?raw';
import bodyWgsl from '../../shaders/store_kv.wgsl?raw';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import type { KvFormat, KvLayout } from './kv_layout.ts';
import { HEAD_DIMS, type HeadDim, headDimOf, kvConsts, kvLib } from './kv_libs.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

/** Slots that a workgroup owns; a quarter of a head's channels is the number of invocations of each. */
const SLOTS_PER_WORKGROUP = 4;

export interface StoreKvVariant {
  readonly mode: 'paged' | 'staged';
  readonly format: KvFormat;
  readonly headDim: HeadDim;
  readonly elem: Elem;
}

export const storeKvKernel: KernelSpec<StoreKvVariant> = {
  name: 'store_kv',
  params: {
    rows: 'u32',
    kv_heads: 'u32',
    v_offset: 'u32',
    v_stride: 'u32',
    slot_base: 'u32',
    table_base: 'u32',
    table_stride: 'u32',
    stage_pages: 'u32',
  },
  variants: combine({
    mode: ['paged', 'staged'],
    format: ['int8', 'f16', 'f32'],
    headDim: HEAD_DIMS,
    elem: ['f32', 'f16'],
  } as const),
  link: ({ mode, format, headDim, elem }) => ({
    elem,
    consts: { ...kvConsts(format, headDim), WORKGROUP_SIZE: (SLOTS_PER_WORKGROUP * headDim) / 4 },
    libs: [kvLib(format), mode === 'paged' ? placePagedWgsl : placeStagedWgsl],
    body: bodyWgsl,
  }),
};

/** Decode: one token, to the slots that `evict` gave it. */
interface PagedPlaces {
  readonly mode: 'paged';
  /** u32 [kvHeads] from word slotBase; 0xffffffff: not stored. */
  readonly slots: GPUBuffer;
  /** u32 [kvHeads, tableStride] from word tableBase. */
  readonly pageTable: GPUBuffer;
  readonly slotBase: number;
  readonly tableBase: number;
  readonly tableStride: number;
}

/** Prefill: row r of head h to slot r of the pages from h * stagePages on. */
interface StagedPlaces {
  readonly mode: 'staged';
  readonly stagePages: number;
}

/**
 * Stores `rows` tokens; the grid, and in staged mode `rows`, change between runs.
 * @param args.k [rows, kvHeads * headDim] elem
 * @param args.v elem; the values of a row start at element vOffset + row * vStride: columns of qkv
 * @param args.pool pages in args.layout, out
 */
export function storeKv(
  args: {
    readonly k: GPUBuffer;
    readonly v: GPUBuffer;
    readonly pool: GPUBuffer;
    readonly layout: KvLayout;
    readonly elem: Elem;
    readonly rows: number;
    readonly kvHeads: number;
    readonly vOffset: number;
    readonly vStride: number;
  } & (PagedPlaces | StagedPlaces),
): OpSpec {
  const { mode, k, v, pool, layout, elem, rows, kvHeads, vOffset, vStride } = args;
  assert(mode === 'staged' || rows === 1, `paged places are those of one token, not of ${rows}`);
  assert(vOffset % 4 === 0 && vStride % 4 === 0, `values at ${vOffset} + row * ${vStride} are not in groups of 4`);
  const variant = { mode, format: layout.format, headDim: headDimOf(layout.headDim), elem };
  const paged = mode === 'paged';
  return {
    label: labelOf(storeKvKernel, variant),
    text: linkKernel(storeKvKernel, variant),
    buffers: { k, v, pool, ...(paged ? { slots: args.slots, page_table: args.pageTable } : {}) },
    params: {
      rows,
      kv_heads: kvHeads,
      v_offset: vOffset,
      v_stride: vStride,
      slot_base: paged ? args.slotBase : 0,
      table_base: paged ? args.tableBase : 0,
      table_stride: paged ? args.tableStride : 0,
      stage_pages: paged ? 0 : args.stagePages,
    },
    workgroups: storeKvGrid({ rows, kvHeads }),
  };
}

/** Grid of `storeKv` for another number of rows; set `rows` as well. */
export function storeKvGrid(size: { readonly rows: number; readonly kvHeads: number }): [number, number, number] {
  return [Math.ceil((size.rows * size.kvHeads) / SLOTS_PER_WORKGROUP), 1, 1];
}
