/** IEEE 754 half precision as bit patterns, for Node 20 and browsers that have no Float16Array. */

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The number that 16 bits stand for. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The half nearest to a number (ties to even), as 16 bits; too large becomes infinity. */
export function f32ToF16(value: number): number {
  float[0] = value;
  const x = word[0] ?? 0;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13);
  if (magnitude < 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift);
}

function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** Halves packed two to a u32 word, the first in the low bits. */
export function packF16(values: ArrayLike<number>): Uint32Array {
  const words = new Uint32Array(Math.ceil(values.length / 2));
  for (let i = 0; i < values.length; i++) words[i >> 1] |= f32ToF16(values[i]) << ((i & 1) * 16);
  return words;
}

/** `length` numbers from words packed as by `packF16`. */
export function unpackF16(words: Uint32Array, length = words.length * 2): Float32Array {
  return Float32Array.from({ length }, (_, i) => f16ToF32((words[i >> 1] >>> ((i & 1) * 16)) & 0xffff));
}
