/** Host side of `add_bias`: the bias of a projection, added to its output in place. */
import bodyWgsl from '../../shaders/add_bias.wgsl?raw';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 64;

export interface AddBiasVariant {
  readonly elem: Elem;
}

export const addBiasKernel: KernelSpec<AddBiasVariant> = {
  name: 'add_bias',
  params: { cols: 'u32' },
  variants: combine({ elem: ['f32', 'f16'] } as const),
  link: ({ elem }) => ({ elem, consts: { WORKGROUP_SIZE }, libs: [], body: bodyWgsl }),
};

/**
 * y [rows, cols] += bias.
 * @param args.y [rows, cols] elem, in and out
 * @param args.bias f32 [cols]
 */
export function addBias(args: {
  readonly y: GPUBuffer;
  readonly bias: GPUBuffer;
  readonly rows: number;
  readonly cols: number;
  readonly elem: Elem;
}): OpSpec {
  const { y, bias, rows, cols, elem } = args;
  assert(cols % 4 === 0, `add_bias takes columns in fours, not ${cols}`);
  const variant = { elem };
  return {
    label: labelOf(addBiasKernel, variant),
    text: linkKernel(addBiasKernel, variant),
    buffers: { y, bias },
    params: { cols },
    workgroups: addBiasGrid({ rows, cols }),
  };
}

/** Grid of `addBias` for another number of rows. */
export function addBiasGrid(size: { readonly rows: number; readonly cols: number }): [number, number, number] {
  return [Math.ceil(size.cols / 4 / WORKGROUP_SIZE), size.rows, 1];
}
