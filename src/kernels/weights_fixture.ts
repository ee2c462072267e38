/**
 * Random weights and activations for the kernel tests, with the numbers that they stand for. Not for use outside
 * tests.
 */
import { dequantiseRef, quantiseRef } from '../../shaders/lib/quantise.ref.ts';
import { dequantiseWeightRef } from '../../shaders/lib/weights.ref.ts';
import { WEIGHT_GROUP, type WeightFormat } from '../formats/packed.ts';
import type { Elem } from '../gpu/linker.ts';
import { packF16 } from '../util/f16.ts';
import { normals } from '../util/rng.ts';
import type { Activation, ActivationForm } from './activation.ts';
import type { TestGpu } from './test_gpu.ts';
import type { WeightBuffers } from './weights.ts';

interface Shape {
  readonly rows: number;
  readonly cols: number;
}

function words(rng: () => number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, () => rng() * 2 ** 32);
}

/** Codes and scales of random weights; nibbles and bytes take every value, scales both signs. */
function randomPacked(format: WeightFormat, shape: Shape, rng: () => number) {
  const count = shape.rows * shape.cols;
  if (format === 'f32') return { codes: new Uint32Array(normals(rng, count).buffer), scales: null };
  if (format === 'f16') return { codes: packF16(normals(rng, count)), scales: null };
  const groups = count / WEIGHT_GROUP;
  if (format === 'w8') return { codes: words(rng, count / 4), scales: packF16(normals(rng, groups, 0.01)) };
  const scales = packF16(normals(rng, format === 'w4m' ? groups * 2 : groups, 0.1));
  return { codes: words(rng, count / 8), scales };
}

/** Random weights on the GPU and what they stand for, [rows, cols]. */
export function randomWeight(
  t: TestGpu,
  args: { readonly format: WeightFormat; readonly rng: () => number } & Shape,
): { readonly weight: WeightBuffers; readonly values: Float32Array } {
  const { format, rows, cols } = args;
  const { codes, scales } = randomPacked(format, args, args.rng);
  const values = dequantiseWeightRef({ format, rows, cols, codes, scales });
  return { weight: { format, rows, cols, codes: t.input(codes), scales: scales ? t.input(scales) : null }, values };
}

/** Random activations on the GPU and what they stand for after rounding or quantisation, [rows, cols]. */
export function randomActivation(
  t: TestGpu,
  args: { readonly form: ActivationForm; readonly elem: Elem; readonly rng: () => number } & Shape,
): { readonly x: Activation; readonly values: Float32Array } {
  const { form, elem, rng, rows, cols } = args;
  const values = normals(rng, rows * cols);
  if (form === 'int8') {
    const quantised = quantiseRef(values);
    const codes = t.input(new Uint32Array(quantised.codes.buffer));
    return { x: { form, codes, scales: t.input(quantised.scales) }, values: dequantiseRef(quantised) };
  }
  return { x: { form, data: t.activations(values, elem) }, values: elem === 'f16' ? halves(values) : values };
}

function halves(values: Float32Array): Float32Array {
  const packed = packF16(values);
  return dequantiseWeightRef({ format: 'f16', rows: 1, cols: values.length, codes: packed, scales: null });
}
