/** Host side of `rmsnorm`: root-mean-square normalisation of rows of the residual stream. */
import reduceWgsl from '../../shaders/lib/reduce.wgsl?raw';
import reduceSubgroupWgsl from '../../shaders/lib/reduce_subgroup.wgsl?raw';
import bodyWgsl from '../../shaders/rmsnorm.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { ACTIVATION_GROUP, type Activation, type ActivationForm, storeBuffers, storeLibs } from './activation.ts';
import { combine, type KernelSpec, labelOf, linkKernel, type Numerics } from './spec.ts';

const WORKGROUP_SIZE = 128;

export interface RmsnormVariant extends Numerics {
  readonly form: ActivationForm;
}

export const rmsnormKernel: KernelSpec<RmsnormVariant> = {
  name: 'rmsnorm',
  params: { cols: 'u32', row_offset: 'u32', eps: 'f32' },
  // Int8 output holds no elements, so it has no f16 form.
  variants: [
    ...combine({ form: ['float'], elem: ['f32', 'f16'], subgroups: [false, true] } as const),
    ...combine({ form: ['int8'], elem: ['f32'], subgroups: [false, true] } as const),
  ],
  link: ({ form, elem, subgroups }) => ({
    elem,
    subgroups,
    consts: { WORKGROUP_SIZE },
    libs: [subgroups ? reduceSubgroupWgsl : reduceWgsl, ...storeLibs(form)],
    body: bodyWgsl,
  }),
};

/**
 * out [rows, cols] = x / sqrt(mean(x^2) + eps) * weight, for rows from `rowOffset` on.
 * The parameter `row_offset` may change between runs, and the grid by `rmsnormGrid`.
 * @param args.x [at least rowOffset + rows, cols] f32
 * @param args.weight [cols] f32
 * @param args.elem element type of `out`; without meaning for int8
 */
export function rmsnorm(
  args: {
    readonly x: GPUBuffer;
    readonly weight: GPUBuffer;
    readonly out: Activation;
    readonly rows: number;
    readonly cols: number;
    readonly eps: number;
    readonly rowOffset?: number;
  } & Numerics,
): OpSpec {
  const { x, weight, out, rows, cols, eps, elem, subgroups, rowOffset = 0 } = args;
  assert(cols % ACTIVATION_GROUP === 0, `rmsnorm takes columns in groups of ${ACTIVATION_GROUP}, not ${cols}`);
  const variant: RmsnormVariant = { form: out.form, elem: out.form === 'int8' ? 'f32' : elem, subgroups };
  return {
    label: labelOf(rmsnormKernel, variant),
    text: linkKernel(rmsnormKernel, variant),
    buffers: { x, weight, ...storeBuffers(out) },
    params: { cols, row_offset: rowOffset, eps },
    workgroups: rmsnormGrid({ rows }),
  };
}

/** Grid of `rmsnorm` for another number of rows. */
export function rmsnormGrid(size: { readonly rows: number }): [number, number, number] {
  return [size.rows, 1, 1];
}
