/** Host side of `merge`: joins the partial sums of `attention` to what the output projection reads. */
import bodyWgsl from '../../shaders/merge.wgsl?raw';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { ACTIVATION_GROUP, type Activation, type ActivationForm, storeBuffers, storeLibs } from './activation.ts';
import { TILE_SLOTS } from './attention.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 64;

/** Groups of four channels that a workgroup owns; its invocations share their tiles in four parts. */
const QUADS = 16;

export interface MergeVariant {
  readonly form: ActivationForm;
  readonly elem: Elem;
}

export const mergeKernel: KernelSpec<MergeVariant> = {
  name: 'merge',
  params: { kv_heads: 'u32', group: 'u32', head_quads: 'u32', live_base: 'u32', tile_base: 'u32' },
  // Int8 output holds no elements, so it has no f16 form.
  variants: [
    ...combine({ form: ['float'], elem: ['f32', 'f16'] } as const),
    ...combine({ form: ['int8'], elem: ['f32'] } as const),
  ],
  link: ({ form, elem }) => ({
    elem,
    consts: { WORKGROUP_SIZE, QUADS, TILE_SLOTS },
    libs: storeLibs(form),
    body: bodyWgsl,
  }),
};

/**
 * out [1, kvHeads * group * headDim] from the partial sums.
 * @param args.partialOut f32 [tiles, group, headDim], args.partialMl f32 [tiles, group, 2]
 * @param args.tiles u32 [kvHeads + 1] from word tileBase; args.live u32 [kvHeads] from word liveBase
 */
export function merge(args: {
  readonly partialOut: GPUBuffer;
  readonly partialMl: GPUBuffer;
  readonly live: GPUBuffer;
  readonly tiles: GPUBuffer;
  readonly out: Activation;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly liveBase: number;
  readonly tileBase: number;
  readonly elem: Elem;
}): OpSpec {
  const { partialOut, partialMl, live, tiles, out, kvHeads, group, headDim } = args;
  const cols = kvHeads * group * headDim;
  assert(out.form === 'float' || cols % ACTIVATION_GROUP === 0, `${cols} columns are no whole number of int8 groups`);
  const variant: MergeVariant = { form: out.form, elem: out.form === 'int8' ? 'f32' : args.elem };
  return {
    label: labelOf(mergeKernel, variant),
    text: linkKernel(mergeKernel, variant),
    buffers: { partial_out: partialOut, partial_ml: partialMl, live, tiles, ...storeBuffers(out) },
    params: { kv_heads: kvHeads, group, head_quads: headDim / 4, live_base: args.liveBase, tile_base: args.tileBase },
    workgroups: [Math.ceil(cols / 4 / QUADS), 1, 1],
  };
}
