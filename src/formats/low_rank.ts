/**
 * Low-rank updates (LoRA, arXiv 2106.09685) in a sidecar: which projections they change, and the sum
 * W' = W + (alpha / rank) * B A. Names are PEFT's, with or without its prefix. It refuses sidecars with other tensors.
 */
import { assert } from '../util/assert.ts';
import { dequantise } from './dequantise.ts';
import { asCount, FormatError } from './errors.ts';
import { packWeight } from './pack.ts';
import type { PackedWeight } from './packed.ts';
import { quantiseW8 } from './quantise.ts';
import type { Checkpoint, TensorInfo } from './tensor.ts';

/** The updates of a sidecar. */
export interface LowRankUpdates {
  readonly rank: number;
  /** alpha / rank */
  readonly gain: number;
  /** A [rank, cols] and B [rows, rank] by the name of the weight [rows, cols] that they change. */
  readonly byWeight: ReadonlyMap<string, { readonly a: TensorInfo; readonly b: TensorInfo }>;
}

/** One update's values. */
export interface LowRankUpdate {
  /** [rank, cols] */
  readonly a: Float32Array;
  /** [rows, rank]; rows in half-split RoPE order */
  readonly b: Float32Array;
  readonly rank: number;
  readonly gain: number;
}

const ADAPTER = /^(model\.layers\.\d+)\.self_attn\.dms_proj_alpha(_norm\.weight|\.weight|\.bias)$/;
const UPDATE = /^(?:base_model\.model\.)?(.+)\.lora_([AB])\.weight$/;
const PROJECTION = /^model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)$/;
const FLOATS: readonly string[] = ['F32', 'F16', 'BF16'];

/**
 * Finds a sidecar's updates and checks all that its header tells; null when it has none.
 * @param base the checkpoint that they change
 * @throws FormatError that names the tensor: one that is no adapter and no update, A without B, another shape than the
 *   weight's, a rank other than the metadata's
 */
export function lowRankUpdates(sidecar: Checkpoint, base: Checkpoint): LowRankUpdates | null {
  const parts = { A: new Map<string, TensorInfo>(), B: new Map<string, TensorInfo>() };
  for (const info of sidecar.tensors.values()) {
    const update = UPDATE.exec(info.name);
    if (update === null) {
      requireAdapter(info.name, sidecar, base);
      continue;
    }
    const [, projection, part] = update;
    const weight = `${projection}.weight`;
    if (!PROJECTION.test(projection) || !base.tensors.has(weight)) {
      throw fault(sidecar, info.name, `the model has no projection ${projection} that an update could change.`);
    }
    const found = part === 'A' ? parts.A : parts.B;
    if (found.has(weight))
      throw fault(sidecar, info.name, 'the file has this update twice, with and without a prefix.');
    found.set(weight, info);
  }
  if (parts.A.size + parts.B.size === 0) return null;
  const { rank, gain } = rankOf(sidecar);
  const byWeight = new Map<string, { a: TensorInfo; b: TensorInfo }>();
  for (const weight of new Set([...parts.A.keys(), ...parts.B.keys()])) {
    const [a, b] = [parts.A.get(weight), parts.B.get(weight)];
    if (!a || !b) throw fault(sidecar, (a ?? b)?.name ?? weight, `its counterpart lora_${a ? 'B' : 'A'} is missing.`);
    const [rows, cols] = base.tensors.get(weight)?.shape ?? [];
    requireShape(sidecar, a, [rank, cols]);
    requireShape(sidecar, b, [rows, rank]);
    byWeight.set(weight, { a, b });
  }
  return { rank, gain, byWeight };
}

/** How many numbers of weights a sidecar's updates change, by its header alone. */
export function updatedElements({ tensors }: Checkpoint): number {
  return [...tensors.values()].reduce((sum, { name, shape: [rows] }) => {
    const a =
      UPDATE.exec(name)?.[2] === 'B' ? tensors.get(name.replace(/lora_B\.weight$/, 'lora_A.weight')) : undefined;
    return sum + (a ? rows * a.shape[1] : 0);
  }, 0);
}

function fault(sidecar: Checkpoint, tensor: string, fact: string): FormatError {
  return new FormatError(`${sidecar.name}: tensor ${tensor}`, fact);
}

function requireAdapter(name: string, sidecar: Checkpoint, base: Checkpoint): void {
  const layer = ADAPTER.exec(name)?.[1];
  if (layer === undefined) {
    throw fault(
      sidecar,
      name,
      'it is neither an eviction adapter (dms_proj_alpha) nor a low-rank update (lora_A, lora_B).',
    );
  }
  if (!base.tensors.has(`${layer}.self_attn.q_proj.weight`)) throw fault(sidecar, name, `the model has no ${layer}.`);
}

function rankOf(sidecar: Checkpoint): { readonly rank: number; readonly gain: number } {
  const number = (key: string): number => {
    const text = sidecar.metadata[key];
    const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN;
    if (Number.isFinite(value)) return value;
    const found = text === undefined ? 'nothing' : JSON.stringify(text);
    throw new FormatError(
      `${sidecar.name}: ${key}`,
      `it has low-rank updates, so a number is expected; found ${found}.`,
    );
  };
  const rank = asCount(number('lora_rank'), `${sidecar.name}: lora_rank`);
  if (rank === 0) throw new FormatError(`${sidecar.name}: lora_rank`, 'it has low-rank updates, and their rank is 0.');
  return { rank, gain: number('lora_alpha') / rank };
}

function requireShape(sidecar: Checkpoint, info: TensorInfo, shape: readonly (number | undefined)[]): void {
  const { name, type } = info;
  if (!FLOATS.includes(type)) throw fault(sidecar, name, `an update has type ${FLOATS.join(', ')}, not ${type}.`);
  if (info.shape.length === shape.length && shape.every((size, i) => size === info.shape[i])) return;
  throw fault(
    sidecar,
    name,
    `its shape is [${info.shape.join(', ')}]; the model and lora_rank want [${shape.join(', ')}].`,
  );
}

/** Reads the update of a weight; null when it has none. @throws FormatError when a value is not finite */
export async function readUpdate(
  sidecar: Checkpoint,
  updates: LowRankUpdates,
  weight: string,
  signal?: AbortSignal,
): Promise<LowRankUpdate | null> {
  const found = updates.byWeight.get(weight);
  if (!found) return null;
  const values = async (info: TensorInfo): Promise<Float32Array> => {
    const read = dequantise(info, await sidecar.read(info.name, signal));
    if (!read.every(Number.isFinite)) throw fault(sidecar, info.name, 'it holds a value that is not a finite number.');
    return read;
  };
  const { rank, gain } = updates;
  return { a: await values(found.a), b: await values(found.b), rank, gain };
}

/**
 * Adds gain * B A to `weight` in place. Sums are made in double precision and rounded once, at the end.
 * @param weight f32 [rows, cols]; cols is a multiple of 4
 */
export function addLowRank(weight: Float32Array, { a, b, rank, gain }: LowRankUpdate): void {
  const cols = a.length / rank;
  const rows = b.length / rank;
  assert(cols % COLS === 0 && weight.length === rows * cols, `an update of [${rows}, ${cols}] fits the weight`);
  const columns = columnBlocks(a, rank, cols);
  const factors = new Float64Array(2 * rank);
  for (let row = 0; row < rows; row += 2) {
    // A last row without a neighbour is its own: the same sums are stored twice.
    const next = Math.min(row + 1, rows - 1);
    for (let k = 0; k < rank; k++) {
      factors[2 * k] = gain * b[row * rank + k];
      factors[2 * k + 1] = gain * b[next * rank + k];
    }
    addToRows(weight, columns, factors, [row * cols, next * cols, cols]);
  }
}

/** Columns of a tile: as many sums of two rows as registers hold. */
const COLS = 4;

/** A [rank, cols] as doubles [cols / 4, rank, 4]: in the order in which `addToRows` reads it. */
function columnBlocks(a: Float32Array, rank: number, cols: number): Float64Array {
  const blocks = new Float64Array(a.length);
  for (let k = 0; k < rank; k++) {
    for (let col = 0; col < cols; col++)
      blocks[(col - (col % COLS)) * rank + COLS * k + (col % COLS)] = a[k * cols + col];
  }
  return blocks;
}

/**
 * Adds to two rows of `w`, which begin at `first` and `second`. All the time is spent here: the sums of a tile stay in
 * registers, which makes it nearly twice as fast as adding row after row of A.
 */
function addToRows(
  w: Float32Array,
  columns: Float64Array,
  factors: Float64Array,
  [first, second, cols]: readonly [number, number, number],
): void {
  const steps = factors.length;
  let at = 0;
  // One name a value: taking arrays apart costs several times the sums.
  for (let i = first, j = second; i < first + cols; i += COLS, j += COLS) {
    let p0 = w[i];
    let p1 = w[i + 1];
    let p2 = w[i + 2];
    let p3 = w[i + 3];
    let q0 = w[j];
    let q1 = w[j + 1];
    let q2 = w[j + 2];
    let q3 = w[j + 3];
    for (let k = 0; k < steps; k += 2, at += COLS) {
      const f = factors[k];
      const g = factors[k + 1];
      p0 += f * columns[at];
      p1 += f * columns[at + 1];
      p2 += f * columns[at + 2];
      p3 += f * columns[at + 3];
      q0 += g * columns[at];
      q1 += g * columns[at + 1];
      q2 += g * columns[at + 2];
      q3 += g * columns[at + 3];
    }
    w[i] = p0;
    w[i + 1] = p1;
    w[i + 2] = p2;
    w[i + 3] = p3;
    w[j] = q0;
    w[j + 1] = q1;
    w[j + 2] = q2;
    w[j + 3] = q3;
  }
}

/**
 * A weight in the merged set: with its update, or without one beside joined weights that have one.
 * @param target `native` makes w8, whatever the file holds (Q8_0 without an update is kept, bit by bit); `f32` rounds
 *   nothing
 * @throws FormatError as `packWeight` and `quantiseW8`
 */
export function packMerged(args: {
  readonly info: TensorInfo;
  /** As `Checkpoint.read` gives them. */
  readonly bytes: Uint8Array;
  readonly update: LowRankUpdate | null;
  readonly target: 'native' | 'f32';
}): PackedWeight {
  const { info, bytes, update, target } = args;
  if (!update && (target === 'f32' || info.type === 'Q8_0')) return packWeight(info, bytes, target);
  const values = dequantise(info, bytes);
  if (update) addLowRank(values, update);
  const cols = info.shape[info.shape.length - 1];
  if (target === 'native') return quantiseW8(values, cols, `tensor ${info.name}`);
  const codes = new Uint32Array(values.buffer, 0, values.length);
  return { format: 'f32', rows: values.length / cols, cols, codes, scales: null };
}
