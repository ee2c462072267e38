/**
 * Quantises f32 weights as ggml's references for Q8_0 and Q4_0 do, straight into the kernels' layouts. The only place
 * where Lethe rounds a weight: what was computed at load, what a file holds in 16 or 32 bits, and the few block types
 * that no kernel reads.
 */
import { f32ToF16 } from '../util/f16.ts';
import { FormatError } from './errors.ts';
import { type PackedWeight, WEIGHT_GROUP } from './packed.ts';

/** Quantises a matrix a few rows at a time, so that its f32 values never stand in memory together. */
export interface GroupWriter {
  /** Takes the next rows. @throws FormatError when a value does not fit */
  push(values: Float32Array<ArrayBuffer>): void;
  /** The matrix, once all of its rows have come. */
  finish(): PackedWeight;
}

interface WriterOptions {
  readonly rows: number;
  readonly cols: number;
  /** For messages. */
  readonly subject: string;
}

/** A writer of w8 or w4. @throws FormatError when rows split a group */
export function groupWriter(format: 'w8' | 'w4', options: WriterOptions): GroupWriter {
  const { rows, cols, subject } = options;
  if (cols % WEIGHT_GROUP !== 0) {
    throw new FormatError(subject, `rows of ${cols} elements do not divide into groups of ${WEIGHT_GROUP}.`);
  }
  const groups = (rows * cols) / WEIGHT_GROUP;
  const codes = new Uint32Array(groups * (format === 'w8' ? 8 : 4));
  const scales = new Uint32Array(Math.ceil(groups / 2));
  const target = { codes, halves: new Uint16Array(scales.buffer), subject };
  const write = format === 'w8' ? writeW8 : writeW4;
  let group = 0;
  return {
    push(values) {
      write(values, group, target);
      group += values.length / WEIGHT_GROUP;
    },
    finish: () => ({ format, rows, cols, codes, scales }),
  };
}

/**
 * w8 codes and scales of a row-major matrix. A group of 32 along a row has d = amax / 127 in f32, stored as f16, and
 * codes x * (1 / d) in f32, halves rounded away from zero; `gguf.quants.quantize` gives the same bits.
 * @param values f32 [rows, cols]
 * @throws FormatError that names `subject` when rows split a group or a value does not fit
 */
export function quantiseW8(values: Float32Array, cols: number, subject: string): PackedWeight {
  return quantise('w8', values, { cols, subject });
}

/**
 * w4 codes and scales of a row-major matrix. A group of 32 along a row has d = x / -8 in f32 for its element x of the
 * largest magnitude, stored as f16, and codes trunc(x * (1 / d) + 8.5) of at most 15, as `gguf.quants.quantize` has
 * them for Q4_0.
 * @param values f32 [rows, cols]
 * @throws FormatError as `quantiseW8`
 */
export function quantiseW4(values: Float32Array, cols: number, subject: string): PackedWeight {
  return quantise('w4', values, { cols, subject });
}

function quantise(
  format: 'w8' | 'w4',
  values: Float32Array,
  { cols, subject }: { readonly cols: number; readonly subject: string },
): PackedWeight {
  const writer = groupWriter(format, { rows: values.length / cols, cols, subject });
  writer.push(values as Float32Array<ArrayBuffer>);
  return writer.finish();
}

interface Target {
  readonly codes: Uint32Array<ArrayBuffer>;
  /** f16 scales. */
  readonly halves: Uint16Array;
  readonly subject: string;
}

/** Refuses a group whose scale would be no finite half, or that holds a NaN. */
function requireFinite(
  amax: number,
  at: { readonly most: number; readonly group: number } & Target,
  name: string,
): void {
  // Written so that it also holds for NaN, whose magnitude is above all others.
  if (amax <= at.most) return;
  const first = at.group * WEIGHT_GROUP;
  throw new FormatError(
    at.subject,
    `the ${WEIGHT_GROUP} elements from ${first} on reach ${amax}: too large for ${name}.`,
  );
}

/** The largest magnitudes of a group whose scale is still a finite half. */
const LARGEST_W8 = 65504 * 127;
const LARGEST_W4 = 65504 * 8;

function writeW8(values: Float32Array<ArrayBuffer>, firstGroup: number, target: Target): void {
  const codes = new Int8Array(target.codes.buffer, firstGroup * WEIGHT_GROUP);
  // Signs are taken from the bits: a branch on the sign of a weight is guessed wrong every other time.
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const widest = new Int32Array(1);
  const largest = new Float32Array(widest.buffer);
  for (let group = firstGroup, start = 0; start < values.length; group++, start += WEIGHT_GROUP) {
    const end = start + WEIGHT_GROUP;
    let magnitude = 0;
    for (let i = start; i < end; i++) magnitude = Math.max(magnitude, bits[i] & 0x7fffffff);
    widest[0] = magnitude;
    const amax = largest[0];
    if (!(amax <= LARGEST_W8)) requireFinite(amax, { ...target, most: LARGEST_W8, group }, 'w8');
    const d = Math.fround(amax / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    target.halves[group] = f32ToF16(d);
    for (let i = start; i < end; i++) {
      // Adding a half is exact in double precision, so only the product in f32 rounds.
      codes[i] = (Math.fround(values[i] * inverse) + 0.5 * ((bits[i] >> 31) | 1)) | 0;
    }
  }
}

function writeW4(values: Float32Array<ArrayBuffer>, firstGroup: number, target: Target): void {
  const codes = new Uint8Array(target.codes.buffer, (firstGroup * WEIGHT_GROUP) / 2);
  const code = (value: number, inverse: number) => Math.min(15, Math.fround(Math.fround(value * inverse) + 8.5) | 0);
  for (let group = firstGroup, start = 0; start < values.length; group++, start += WEIGHT_GROUP) {
    let extreme = 0;
    let amax = 0;
    for (let i = start; i < start + WEIGHT_GROUP; i++) {
      const magnitude = Math.abs(values[i]);
      if (magnitude <= amax) continue;
      [amax, extreme] = [magnitude, values[i]];
      // Nothing is larger than a NaN, so it stays and is refused below.
      if (Number.isNaN(magnitude)) break;
    }
    if (!(amax <= LARGEST_W4)) requireFinite(amax, { ...target, most: LARGEST_W4, group }, 'w4');
    const d = Math.fround(extreme / -8);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    target.halves[group] = f32ToF16(d);
    for (let j = 0; j < WEIGHT_GROUP / 2; j++) {
      const low = code(values[start + j], inverse);
      codes[start / 2 + j] = low | (code(values[start + j + 16], inverse) << 4);
    }
  }
}
