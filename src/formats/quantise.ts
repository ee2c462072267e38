/**
 * Quantises f32 weights to 8 bits as ggml's reference for Q8_0 does, straight into the kernels' w8 layout. The only
 * place where Lethe rounds a weight: what it gets was computed at load, such as a sum with a low-rank update.
 */
import { f32ToF16 } from '../util/f16.ts';
import { FormatError } from './errors.ts';
import { type PackedWeight, WEIGHT_GROUP } from './pack.ts';

/** The largest magnitude of a group whose scale is still a finite half. */
const LARGEST = 65504 * 127;

/**
 * w8 codes and scales of a row-major matrix. A group of 32 along a row has d = amax / 127 in f32, stored as f16, and
 * codes x * (1 / d) in f32, halves rounded away from zero; `gguf.quants.quantize` gives the same bits.
 * @param values f32 [rows, cols]
 * @throws FormatError that names `subject` when rows split a group or a value does not fit
 */
export function quantiseW8(values: Float32Array, cols: number, subject: string): PackedWeight {
  if (cols % WEIGHT_GROUP !== 0) {
    throw new FormatError(subject, `rows of ${cols} elements do not divide into groups of ${WEIGHT_GROUP}.`);
  }
  const groups = values.length / WEIGHT_GROUP;
  const codes = new Int8Array(values.length);
  const scales = new Uint32Array(Math.ceil(groups / 2));
  const halves = new Uint16Array(scales.buffer);
  // Signs are taken from the bits: a branch on the sign of a weight is guessed wrong every other time.
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const widest = new Int32Array(1);
  const largest = new Float32Array(widest.buffer);
  for (let group = 0, start = 0; group < groups; group++, start += WEIGHT_GROUP) {
    const end = start + WEIGHT_GROUP;
    let magnitude = 0;
    for (let i = start; i < end; i++) magnitude = Math.max(magnitude, bits[i] & 0x7fffffff);
    widest[0] = magnitude;
    const amax = largest[0];
    // Written so that it also holds for NaN, whose magnitude is above all others.
    if (!(amax <= LARGEST)) {
      throw new FormatError(subject, `the ${WEIGHT_GROUP} elements from ${start} on reach ${amax}: too large for w8.`);
    }
    const d = Math.fround(amax / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    halves[group] = f32ToF16(d);
    for (let i = start; i < end; i++) {
      // Adding a half is exact in double precision, so only the product in f32 rounds.
      codes[i] = (Math.fround(values[i] * inverse) + 0.5 * ((bits[i] >> 31) | 1)) | 0;
    }
  }
  return { format: 'w8', rows: values.length / cols, cols, codes: new Uint32Array(codes.buffer), scales };
}
