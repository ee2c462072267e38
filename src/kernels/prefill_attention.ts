/**
 * Host side of `prefill_attention`: a chunk's queries over the cache and the chunk. It commits nothing to the cache.
 */
import keysWgsl from '../../shaders/lib/prefill_keys.wgsl?raw';
import headFloatWgsl from '../../shaders/lib/store_head_float.wgsl?raw';
import headInt8Wgsl from '../../shaders/lib/store_head_int8.wgsl?raw';
import bodyWgsl from '../../shaders/prefill_attention.wgsl?raw';
import subgroupBodyWgsl from '../../shaders/prefill_attention_subgroup.wgsl?raw';
import type { Gpu } from '../gpu/device.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { ACTIVATION_GROUP, type Activation, type ActivationForm, storeBuffers, storeLibs } from './activation.ts';
import { type KvFormat, type KvLayout, PAGE_SLOTS } from './kv_layout.ts';
import { HEAD_DIMS, type HeadDim, headDimOf, kvConsts, kvLib } from './kv_libs.ts';
import { combine, type KernelSpec, labelOf, linkKernel, type Numerics } from './spec.ts';

/** Pairs (row, query head) of a workgroup, in both forms. */
const WORKGROUP_PAIRS = 32;
/** The one head size of the subgroup form: its loops are unrolled, and each size costs seconds of compilation. */
const SUBGROUP_HEAD_DIM = 64;

export interface PrefillAttentionVariant extends Numerics {
  readonly form: ActivationForm;
  readonly format: KvFormat;
  readonly headDim: HeadDim;
}

/** Keys decoded at a time: what 16 KB of workgroup memory hold beside their weights. */
function tileOf(headDim: number): number {
  return headDim <= 80 ? 32 : 16;
}

export const prefillAttentionKernel: KernelSpec<PrefillAttentionVariant> = {
  name: 'prefill_attention',
  params: {
    position: 'u32',
    rows: 'u32',
    kv_heads: 'u32',
    group: 'u32',
    stage_pages: 'u32',
    table_base: 'u32',
    table_stride: 'u32',
    until_stride: 'u32',
    live_base: 'u32',
    scale: 'f32',
  },
  variants: combine({
    form: ['float', 'int8'],
    elem: ['f32', 'f16'],
    format: ['int8', 'f16', 'f32'],
    headDim: HEAD_DIMS,
    subgroups: [false, true],
  } as const).filter(
    ({ form, headDim, subgroups }) =>
      (form === 'float' || headDim % ACTIVATION_GROUP === 0) && (!subgroups || headDim === SUBGROUP_HEAD_DIM),
  ),
  link: ({ form, elem, format, headDim, subgroups }) => {
    const consts = kvConsts(format, headDim);
    if (subgroups) {
      const libs = [kvLib(format), keysWgsl, form === 'int8' ? headInt8Wgsl : headFloatWgsl];
      return { elem, subgroups, consts: { ...consts, WORKGROUP_SIZE: WORKGROUP_PAIRS }, libs, body: subgroupBodyWgsl };
    }
    const libs = [kvLib(format), keysWgsl, ...storeLibs(form)];
    return { elem, consts: { ...consts, WORKGROUP_SIZE: 64, TILE: tileOf(headDim) }, libs, body: bodyWgsl };
  },
};

/** True where the subgroup form is right and the faster one: a CPU adapter with subgroups of eight or more. */
export function suitsSubgroupForm(gpu: Gpu, headDim: number): boolean {
  const { subgroupMinSize } = gpu.device.adapterInfo;
  return gpu.subgroups && gpu.adapter.fallback && subgroupMinSize >= 8 && headDim === SUBGROUP_HEAD_DIM;
}

/**
 * out [rows, kvHeads * group * headDim] = attention under the DMS mask. `position` and `rows` change between runs.
 * @param args.q [rows, kvHeads * group, headDim] elem
 * @param args.pool pages of the layer; args.pageTable [.., kvHeads, tableStride] from word tableBase
 * @param args.staging the chunk's encoded rows, stagePages pages for each head
 * @param args.until [kvHeads, untilStride] of `prefillMask`; args.live [.., kvHeads] from word liveBase
 * @param args.subgroups the form for which `suitsSubgroupForm` is true; false when left out
 * @param args.scale of the softmax; 1 / sqrt(headDim) when left out
 */
export function prefillAttention(args: {
  readonly q: GPUBuffer;
  readonly pool: GPUBuffer;
  readonly pageTable: GPUBuffer;
  readonly staging: GPUBuffer;
  readonly until: GPUBuffer;
  readonly live: GPUBuffer;
  readonly out: Activation;
  readonly position: number;
  readonly rows: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly layout: KvLayout;
  readonly elem: Numerics['elem'];
  readonly subgroups?: boolean;
  readonly stagePages: number;
  readonly tableBase: number;
  readonly tableStride: number;
  readonly untilStride: number;
  readonly liveBase: number;
  readonly scale?: number;
}): OpSpec {
  const { q, pool, pageTable, staging, until, live, out, rows, kvHeads, group, headDim, layout, elem } = args;
  assert(layout.headDim === headDim, `the cache holds heads of ${layout.headDim}, the queries are of ${headDim}`);
  assert(rows <= args.stagePages * PAGE_SLOTS, `${rows} rows do not fit ${args.stagePages} staged pages a head`);
  const subgroups = args.subgroups ?? false;
  const variant = { form: out.form, elem, format: layout.format, headDim: headDimOf(headDim), subgroups };
  assert(!subgroups || headDim === SUBGROUP_HEAD_DIM, `there is no subgroup form for heads of ${headDim}`);
  assert(out.form === 'float' || headDim % ACTIVATION_GROUP === 0, `heads of ${headDim} are no whole groups of int8`);
  return {
    label: labelOf(prefillAttentionKernel, variant),
    text: linkKernel(prefillAttentionKernel, variant),
    buffers: { q, pool, page_table: pageTable, stage: staging, until, live, ...storeBuffers(out) },
    params: {
      position: args.position,
      rows,
      kv_heads: kvHeads,
      group,
      stage_pages: args.stagePages,
      table_base: args.tableBase,
      table_stride: args.tableStride,
      until_stride: args.untilStride,
      live_base: args.liveBase,
      scale: (args.scale ?? 1 / Math.sqrt(headDim)) * Math.LOG2E,
    },
    workgroups: prefillAttentionGrid({ rows, kvHeads, group }),
  };
}

/** Grid of `prefillAttention` for another number of rows. */
export function prefillAttentionGrid(size: {
  readonly rows: number;
  readonly kvHeads: number;
  readonly group: number;
}): [number, number, number] {
  return [Math.ceil((size.rows * size.group) / WORKGROUP_PAIRS), size.kvHeads, 1];
}
