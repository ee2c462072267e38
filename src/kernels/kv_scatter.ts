/** Host side of `kv_scatter`: a chunk's stored rows go to their slots. It neither encodes nor chooses. */
import bodyWgsl from '../../shaders/kv_scatter.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { type KvFormat, type KvLayout, PAGE_SLOTS } from './kv_layout.ts';
import { HEAD_DIMS, type HeadDim, headDimOf, kvConsts } from './kv_libs.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 64;

export interface KvScatterVariant {
  readonly format: KvFormat;
  readonly headDim: HeadDim;
}

export const kvScatterKernel: KernelSpec<KvScatterVariant> = {
  name: 'kv_scatter',
  params: { rows: 'u32', stage_pages: 'u32', slot_stride: 'u32', table_base: 'u32', table_stride: 'u32' },
  variants: combine({ format: ['int8', 'f16', 'f32'], headDim: HEAD_DIMS } as const),
  link: ({ format, headDim }) => ({ consts: { WORKGROUP_SIZE, ...kvConsts(format, headDim) }, body: bodyWgsl }),
};

/**
 * Copies surviving rows from staging to the pool. `rows` and the grid change between runs.
 * @param args.slotOfRow u32 [kvHeads, slotStride]: a slot, or 0xffffffff for a dropped row
 * @param args.staging stagePages pages for each head; args.pool pages of the layer, out
 */
export function kvScatter(args: {
  readonly slotOfRow: GPUBuffer;
  readonly pageTable: GPUBuffer;
  readonly staging: GPUBuffer;
  readonly pool: GPUBuffer;
  readonly layout: KvLayout;
  readonly rows: number;
  readonly kvHeads: number;
  readonly stagePages: number;
  readonly slotStride: number;
  readonly tableBase: number;
  readonly tableStride: number;
}): OpSpec {
  const { slotOfRow, pageTable, staging, pool, layout, rows, kvHeads, stagePages, slotStride } = args;
  assert(rows <= stagePages * PAGE_SLOTS, `${rows} rows do not fit ${stagePages} staged pages a head`);
  const variant = { format: layout.format, headDim: headDimOf(layout.headDim) };
  return {
    label: labelOf(kvScatterKernel, variant),
    text: linkKernel(kvScatterKernel, variant),
    buffers: { slot_of_row: slotOfRow, page_table: pageTable, stage: staging, pool },
    params: {
      rows,
      stage_pages: stagePages,
      slot_stride: slotStride,
      table_base: args.tableBase,
      table_stride: args.tableStride,
    },
    workgroups: kvScatterGrid({ rows, kvHeads, layout }),
  };
}

/** Grid of `kvScatter` for another number of rows. */
export function kvScatterGrid(size: {
  readonly rows: number;
  readonly kvHeads: number;
  readonly layout: KvLayout;
}): [number, number, number] {
  return [Math.ceil((size.rows * size.layout.slotBytes) / 4 / WORKGROUP_SIZE), size.kvHeads, 1];
}
