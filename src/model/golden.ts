/** Reads the golden files that the model tests compare with, and measures distances to them. For tests alone. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openSafetensors } from '../formats/safetensors.ts';
import type { ByteSource } from '../util/byte_source.ts';

/** Where the golden data is: beside the repository, or where LETHE_SHARED says. */
export const SHARED = resolve(process.env.LETHE_SHARED ?? '../shared');

export const HAVE_SHARED = existsSync(resolve(SHARED, 'golden'));

/** A file read whole. */
export async function fileSource(path: string): Promise<ByteSource> {
  const bytes = new Uint8Array(await readFile(path));
  return {
    name: path,
    size: bytes.length,
    read: async (offset, length) => bytes.slice(offset, offset + length),
  };
}

export interface GoldenPrompt {
  readonly id: string;
  readonly ids: readonly number[];
  readonly rows: readonly number[];
  readonly greedy: readonly number[];
  readonly gap: readonly number[];
  readonly dms_greedy: readonly number[];
  readonly dms_gap: readonly number[];
  readonly dms_live: readonly (readonly number[])[];
  readonly dms_tokens: number;
}

/** The tensors of a safetensors file by name; 4-byte types as they are, bits as u8. */
export async function tensorFile(path: string) {
  const file = await openSafetensors(await fileSource(path));
  return {
    f32: async (name: string) => new Float32Array((await file.read(name)).slice().buffer),
    i32: async (name: string) => new Int32Array((await file.read(name)).slice().buffer),
    u8: async (name: string) => file.read(name),
  };
}

/** Sum of squared differences over the sum of squares of `want`. */
export function nmse(got: Float32Array, want: Float32Array): number {
  if (got.length !== want.length) throw new Error(`lengths differ: ${got.length} and ${want.length}`);
  let error = 0;
  let square = 0;
  for (let i = 0; i < want.length; i++) {
    error += (got[i] - want[i]) ** 2;
    square += want[i] ** 2;
  }
  return error / square;
}

/** KL(softmax(want) || softmax(got)) of one row, nats. */
export function klDivergence(got: Float32Array, want: Float32Array): number {
  const normaliser = (row: Float32Array): number => {
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
  };
  const [g, w] = [normaliser(got), normaliser(want)];
  let sum = 0;
  for (let i = 0; i < want.length; i++) sum += Math.exp(want[i] - w) * (want[i] - w - (got[i] - g));
  return sum;
}

/** Index of the first difference, or -1. */
export function firstDifference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  const length = Math.max(got.length, want.length);
  for (let i = 0; i < length; i++) if (got[i] !== want[i]) return i;
  return -1;
}
