/** Definition of the weight layouts that `weights_*.wgsl` read: what each packed matrix stands for, in plain loops. */

const GROUP = 32;

/** A matrix as the kernels bind it; see `weights_*.wgsl` for the layouts. */
export interface WeightRef {
  readonly format: 'w4' | 'w4m' | 'w8' | 'f16' | 'f32';
  readonly rows: number;
  readonly cols: number;
  readonly codes: Uint32Array;
  readonly scales: Uint32Array | null;
}

function half(words: Uint32Array, index: number): number {
  const bits = (words[Math.floor(index / 2)] >>> (16 * (index % 2))) & 0xffff;
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Element `i` of the flat matrix. */
function element(weight: WeightRef, i: number): number {
  const { format, codes } = weight;
  const scales = weight.scales ?? new Uint32Array();
  const bytes = new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
  const group = Math.floor(i / GROUP);
  const place = i % GROUP;
  if (format === 'f32') return new Float32Array(codes.buffer, codes.byteOffset, codes.length)[i];
  if (format === 'f16') return half(codes, i);
  if (format === 'w8') return half(scales, group) * ((bytes[i] << 24) >> 24);
  const byte = bytes[group * 16 + (place % 16)];
  const q = place < 16 ? byte & 15 : byte >> 4;
  if (format === 'w4') return half(scales, group) * (q - 8);
  return half(scales, group * 2) * q + half(scales, group * 2 + 1);
}

/** The numbers that a packed matrix stands for, [rows, cols]. */
export function dequantiseWeightRef(weight: WeightRef): Float32Array {
  return Float32Array.from({ length: weight.rows * weight.cols }, (_, i) => element(weight, i));
}
