/**
 * Weight matrices on the GPU: which buffers a format has and which library files read them. The layouts are those of
 * `PackedWeight` in formats; this file refuses to know where the bytes come from.
 */
import blockWgsl from '../../shaders/lib/weights_block.wgsl?raw';
import f16Wgsl from '../../shaders/lib/weights_f16.wgsl?raw';
import f32Wgsl from '../../shaders/lib/weights_f32.wgsl?raw';
import outElemWgsl from '../../shaders/lib/weights_out_elem.wgsl?raw';
import outF32Wgsl from '../../shaders/lib/weights_out_f32.wgsl?raw';
import scalesWgsl from '../../shaders/lib/weights_scales.wgsl?raw';
import w4Wgsl from '../../shaders/lib/weights_w4.wgsl?raw';
import w4mWgsl from '../../shaders/lib/weights_w4m.wgsl?raw';
import w8Wgsl from '../../shaders/lib/weights_w8.wgsl?raw';
import xFloatWgsl from '../../shaders/lib/weights_x_float.wgsl?raw';
import xInt8Wgsl from '../../shaders/lib/weights_x_int8.wgsl?raw';
import { WEIGHT_GROUP, type WeightFormat } from '../formats/packed.ts';
import type { Elem } from '../gpu/linker.ts';
import { assert, defined } from '../util/assert.ts';
import type { Activation, ActivationForm } from './activation.ts';
import { combine } from './spec.ts';

export const WEIGHT_FORMATS: readonly WeightFormat[] = ['w4', 'w4m', 'w8', 'f16', 'f32'];

/** A [rows, cols] weight matrix on the GPU. */
export interface WeightBuffers {
  readonly format: WeightFormat;
  readonly rows: number;
  readonly cols: number;
  readonly codes: GPUBuffer;
  /** Null for f16 and f32. */
  readonly scales: GPUBuffer | null;
}

/** What a matrix product does with its results: store elements, store f32, or add to an f32 buffer. */
export type ProductStore = 'elem' | 'f32' | 'add';

/** The axes on which matrix products differ. */
export interface ProductVariant {
  readonly format: WeightFormat;
  /** Form of the activations that are read; int8 only with quantised weights. */
  readonly form: ActivationForm;
  /** What `out` holds; adding to it is a parameter. */
  readonly out: 'elem' | 'f32';
  readonly elem: Elem;
}

const WEIGHT_LIBS: Readonly<Record<WeightFormat, readonly string[]>> = {
  w4: [scalesWgsl, w4Wgsl],
  w4m: [w4mWgsl],
  w8: [scalesWgsl, w8Wgsl],
  f16: [f16Wgsl],
  f32: [f32Wgsl],
};
const OUT_LIBS = { elem: outElemWgsl, f32: outF32Wgsl } as const;

/** The library files that give a kernel `weight_quad`. */
export function weightLibs(format: WeightFormat): readonly string[] {
  return [blockWgsl, ...WEIGHT_LIBS[format]];
}

/** The buffers for the bindings of `weightLibs`. */
export function weightBuffers(weight: WeightBuffers): Readonly<Record<string, GPUBuffer>> {
  const { codes, scales } = weight;
  if (weight.format === 'f16' || weight.format === 'f32') return { weight_codes: codes };
  return { weight_codes: codes, weight_scales: defined(scales, `scales of a ${weight.format} weight`) };
}

/** Every product variant that exists. */
export function productVariants(): readonly ProductVariant[] {
  const quantised = combine({ format: ['w4', 'w4m', 'w8'], form: ['int8'] } as const);
  const float = combine({ format: WEIGHT_FORMATS, form: ['float'] } as const);
  // Results of f32 elements are f32, and elements do not matter to int8 activations with f32 results.
  return [
    ...[...quantised, ...float].map((v) => ({ ...v, out: 'f32', elem: 'f32' }) as const),
    ...float.map((v) => ({ ...v, out: 'f32', elem: 'f16' }) as const),
    ...[...quantised, ...float].map((v) => ({ ...v, out: 'elem', elem: 'f16' }) as const),
  ];
}

/** The variant of a product with these wishes. */
export function productVariant(args: {
  readonly weight: WeightBuffers;
  readonly x: Activation;
  readonly store: ProductStore;
  readonly elem: Elem;
}): ProductVariant {
  const { weight, x, store } = args;
  assertProduct(weight, x);
  const out = store === 'elem' && args.elem === 'f16' ? 'elem' : 'f32';
  const elem = x.form === 'int8' && out === 'f32' ? 'f32' : args.elem;
  return { format: weight.format, form: x.form, out, elem };
}

/** The library files that give a product `load_block`, `weight_dot` and `put`. */
export function productLibs(variant: ProductVariant): readonly string[] {
  const xLib = variant.form === 'int8' ? xInt8Wgsl : xFloatWgsl;
  return [...weightLibs(variant.format), xLib, OUT_LIBS[variant.out]];
}

/** The buffers for the bindings of `productLibs`. */
export function productBuffers(args: {
  readonly weight: WeightBuffers;
  readonly x: Activation;
  readonly out: GPUBuffer;
}): Readonly<Record<string, GPUBuffer>> {
  const { weight, x, out } = args;
  const read = x.form === 'int8' ? { x_codes: x.codes, x_scales: x.scales } : { x: x.data };
  return { ...weightBuffers(weight), ...read, out };
}

/** Throws when a weight and activations cannot be multiplied. */
function assertProduct(weight: WeightBuffers, x: Activation): void {
  const { cols, format } = weight;
  assert(cols % WEIGHT_GROUP === 0, `weights have columns in groups of ${WEIGHT_GROUP}, not ${cols}`);
  assert(x.form === 'float' || (format !== 'f16' && format !== 'f32'), `int8 activations meet no ${format} weights`);
}
