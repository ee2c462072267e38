/** How activations lie in buffers between kernels: as elements, or as int8 codes with a scale for each group of 32. */
import quantiseWgsl from '../../shaders/lib/quantise.wgsl?raw';
import storeFloatWgsl from '../../shaders/lib/store_float.wgsl?raw';
import storeInt8Wgsl from '../../shaders/lib/store_int8.wgsl?raw';
import { assert } from '../util/assert.ts';

/** Elements of one int8 group. */
export const ACTIVATION_GROUP = 32;

/** The form in which a kernel leaves what the next matrix product reads. */
export type ActivationForm = 'float' | 'int8';

/** [rows, cols] as `elem`. */
export interface FloatActivation {
  readonly form: 'float';
  readonly data: GPUBuffer;
}

/** [rows, cols / 4] u32 of four int8 and [rows, cols / 32] of (scale, scale * sum of codes) f32. */
export interface Int8Activation {
  readonly form: 'int8';
  readonly codes: GPUBuffer;
  readonly scales: GPUBuffer;
}

export type Activation = FloatActivation | Int8Activation;

/** The library files that give a kernel `store_activation`. */
export function storeLibs(form: ActivationForm): readonly string[] {
  return form === 'int8' ? [quantiseWgsl, storeInt8Wgsl] : [storeFloatWgsl];
}

/** The buffers for the bindings of `storeLibs`. */
export function storeBuffers(out: Activation): Readonly<Record<string, GPUBuffer>> {
  return out.form === 'int8' ? { codes: out.codes, scales: out.scales } : { out: out.data };
}

/** Bytes of the two buffers of an int8 activation. */
export function int8Bytes(rows: number, cols: number): { readonly codes: number; readonly scales: number } {
  assert(cols % ACTIVATION_GROUP === 0, `${cols} columns are no whole number of groups of ${ACTIVATION_GROUP}`);
  return { codes: rows * cols, scales: (rows * cols * 8) / ACTIVATION_GROUP };
}
