/**
 * An engine on Dawn with the micro model, for tests. Never a mock: the device is the one that VK_ICD_FILENAMES
 * chooses.
 */
import { fileURLToPath } from 'node:url';
import { create, globals } from 'webgpu';
import { type ModelFiles, openModel } from '../formats/model_folder.ts';
import { nodeFileSet } from '../store/node_files.ts';
import type { ChatChunk } from './api.ts';
import { createLocalEngine, type EngineAtHand, type LocalEngineOptions } from './engine.ts';

Object.assign(globalThis, globals);

/** Dawn crashes when its instance is collected while devices live, so the instance is held for the whole process. */
export const dawn = create([]);

export const MICRO_FOLDER = fileURLToPath(new URL('../../e2e/fixtures/micro', import.meta.url));

export function openMicro(): Promise<ModelFiles> {
  return openModel(nodeFileSet(MICRO_FOLDER));
}

export async function microEngine(options: Partial<LocalEngineOptions> = {}): Promise<EngineAtHand> {
  return createLocalEngine({ gpu: dawn, files: await openMicro(), ...options });
}

/** Everything in f32: decode and prefill then agree so closely that they choose the same tokens. */
export const EXACT = { cache: { kv: 'f32' }, device: { activations: 'f32' } } as const;

/** What a stream said, put together. */
export interface Heard {
  readonly chunks: readonly ChatChunk[];
  readonly text: string;
}

export async function hear(stream: AsyncIterable<ChatChunk>): Promise<Heard> {
  const chunks: ChatChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { chunks, text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('') };
}
