/**
 * Tells models apart by what they compute with: the settings, and samples of every weight as it lies on the GPU. Two
 * files of the same model have one fingerprint; another quantisation, retrofit or fine-tune has another.
 */
import { readParts } from '../gpu/buffers.ts';
import type { WeightBuffers } from '../kernels/weights.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';
import type { ModelWeights } from './weights.ts';

/** Bytes read of a matrix; norms and gates, which are small, are read whole. */
const SAMPLE_BYTES = 1024;

/** Buffer, byte offset, bytes. */
type Part = readonly [GPUBuffer, number, number];

/** Fingerprints already taken: the weights of a session never change. */
const taken = new WeakMap<ModelWeights, Promise<string>>();

/** SHA-256 in hexadecimal. Reads about 9 kB a layer back, once. */
export function fingerprint(model: {
  readonly device: GPUDevice;
  readonly config: ModelConfig;
  readonly dms: DmsConfig | null;
  readonly weights: ModelWeights;
}): Promise<string> {
  const found = taken.get(model.weights);
  if (found) return found;
  const made = take(model);
  taken.set(model.weights, made);
  made.catch(() => taken.delete(model.weights));
  return made;
}

/** The middle of a matrix: its beginning may belong to rows that no fine-tune touches. */
function sampleOf({ codes }: WeightBuffers): Part {
  const size = Math.min(SAMPLE_BYTES, codes.size);
  const middle = Math.floor((codes.size - size) / 8) * 4;
  return [codes, middle, size];
}

async function take({ device, config, dms, weights }: Parameters<typeof fingerprint>[0]): Promise<string> {
  const whole = (buffer: GPUBuffer | null): Part[] => (buffer ? [[buffer, 0, buffer.size]] : []);
  const matrices = [weights.embedding, weights.lmHead];
  const parts = [...whole(weights.finalNorm)];
  for (const { inputNorm, qkv, qkvBias, headNorms, oProj, postNorm, gateUp, downProj, gate } of weights.layers) {
    parts.push(...[inputNorm, qkvBias, headNorms, postNorm, gate].flatMap(whole));
    matrices.push(qkv, oProj, gateUp, downProj);
  }
  parts.push(...matrices.map(sampleOf));
  const settings = JSON.stringify([config, dms, matrices.map(({ format, rows, cols }) => [format, rows, cols])]);
  const text = new TextEncoder().encode(settings);
  const bytes = new Uint8Array(await readParts(device, parts));
  const all = new Uint8Array(text.length + bytes.length);
  all.set(text);
  all.set(bytes, text.length);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
