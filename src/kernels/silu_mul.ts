/** Host side of `silu_mul`: the gated activation of the feed-forward block. */
import bodyWgsl from '../../shaders/silu_mul.wgsl?raw';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { ACTIVATION_GROUP, type Activation, type ActivationForm, storeBuffers, storeLibs } from './activation.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 64;

export interface SiluMulVariant {
  readonly form: ActivationForm;
  readonly elem: Elem;
}

export const siluMulKernel: KernelSpec<SiluMulVariant> = {
  name: 'silu_mul',
  params: { cols: 'u32' },
  variants: combine({ form: ['float', 'int8'], elem: ['f32', 'f16'] } as const),
  link: ({ form, elem }) => ({ elem, consts: { WORKGROUP_SIZE }, libs: storeLibs(form), body: bodyWgsl }),
};

/**
 * out [rows, cols] = silu(gate) * up.
 * @param args.gateUp [rows, 2 * cols] elem: gate, then up, row by row
 */
export function siluMul(args: {
  readonly gateUp: GPUBuffer;
  readonly out: Activation;
  readonly rows: number;
  readonly cols: number;
  readonly elem: Elem;
}): OpSpec {
  const { gateUp, out, rows, cols, elem } = args;
  assert(cols % ACTIVATION_GROUP === 0, `silu_mul takes columns in groups of ${ACTIVATION_GROUP}, not ${cols}`);
  const variant = { form: out.form, elem };
  return {
    label: labelOf(siluMulKernel, variant),
    text: linkKernel(siluMulKernel, variant),
    buffers: { gate_up: gateUp, ...storeBuffers(out) },
    params: { cols },
    workgroups: siluMulGrid({ rows, cols }),
  };
}

/** Grid of `siluMul` for another number of rows. */
export function siluMulGrid(size: { readonly rows: number; readonly cols: number }): [number, number, number] {
  return [Math.ceil(size.cols / 4 / WORKGROUP_SIZE), size.rows, 1];
}
