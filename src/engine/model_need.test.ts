/**
 * What models need, on the shapes of published models. Their numbers of parameters are those that the hub tells, and
 * the default model's bytes are those of its file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openGguf } from '../formats/gguf.ts';
import { memorySource } from '../formats/sources.ts';
import { commonFormat, heldBytes } from '../formats/weight_choice.ts';
import { fitOf, type ModelSizes, matrixElements, modelNeed, type Room } from './model_need.ts';

const SMOLLM2_135M: ModelSizes = {
  hiddenSize: 576,
  intermediateSize: 1536,
  numHiddenLayers: 30,
  numAttentionHeads: 9,
  numKeyValueHeads: 3,
  headDim: 64,
  vocabSize: 49152,
  maxPositionEmbeddings: 8192,
  tieWordEmbeddings: true,
};

const QWEN3_06B: ModelSizes = {
  hiddenSize: 1024,
  intermediateSize: 3072,
  numHiddenLayers: 28,
  numAttentionHeads: 16,
  numKeyValueHeads: 8,
  headDim: 128,
  vocabSize: 151_936,
  maxPositionEmbeddings: 40_960,
  tieWordEmbeddings: true,
};

const LLAMA32_1B: ModelSizes = {
  hiddenSize: 2048,
  intermediateSize: 8192,
  numHiddenLayers: 16,
  numAttentionHeads: 32,
  numKeyValueHeads: 8,
  headDim: 64,
  vocabSize: 128_256,
  maxPositionEmbeddings: 131_072,
  tieWordEmbeddings: true,
};

const QWEN3_8B: ModelSizes = {
  ...QWEN3_06B,
  hiddenSize: 4096,
  intermediateSize: 12_288,
  numHiddenLayers: 36,
  numAttentionHeads: 32,
  tieWordEmbeddings: false,
};

/** The limits that WebGPU promises everywhere, and those of a desktop's processor. */
const LEAST: Room = { maxBufferSize: 268_435_456, maxStorageBufferBindingSize: 134_217_728, freeDiskBytes: 10e9 };
const DESKTOP: Room = { maxBufferSize: 4294967292, maxStorageBufferBindingSize: 4294967292, freeDiskBytes: 60e9 };

/** Norms: two a layer and one at the end; Qwen3 has two more of one head's size a layer. */
test.each([
  ['SmolLM2-135M', SMOLLM2_135M, 134_515_008, 0],
  ['Qwen3-0.6B', QWEN3_06B, 596_049_920, 2 * 28 * 128],
  ['Llama-3.2-1B', LLAMA32_1B, 1_235_814_400, 0],
  ['Qwen3-8B', QWEN3_8B, 8_190_735_360, 2 * 36 * 128],
])('%s: the matrices and norms are all of its parameters', (_, sizes, published, headNorms) => {
  const norms = (2 * sizes.numHiddenLayers + 1) * sizes.hiddenSize;
  expect(matrixElements(sizes) + norms + headNorms).toBe(published);
});

test('the default model as its file holds it', async () => {
  const folder = join(import.meta.dirname, '../../public/models/smollm2-135m-instruct');
  const parts = [0, 1, 2, 3].map((i) => readFileSync(join(folder, `SmolLM2-135M-Instruct.Q4_1.gguf.part00${i}`)));
  const { tensors } = await openGguf(memorySource('default', new Uint8Array(Buffer.concat(parts))));
  const held = [...tensors.values()].map((info) => heldBytes(info, commonFormat([info], 'native').format));
  const sum = held.reduce((a, b) => a + b, 0);
  const { weightBytes } = modelNeed(SMOLLM2_135M, { elementBytes: 24 / 32 });
  expect(weightBytes / sum).toBeGreaterThan(0.95);
  expect(weightBytes / sum).toBeLessThan(1.1);
});

test('the memory is that of every token in int8, or less where tokens are forgotten', () => {
  const { memoryBytes } = modelNeed(SMOLLM2_135M, { context: 8192 });
  // 64 bytes of key and of value, and a pair of f16 scales for 32 elements each.
  expect(memoryBytes).toBe(30 * 3 * 8192 * (64 + 64 + 2 * 4));
  expect(modelNeed(SMOLLM2_135M, { context: 8192, ratio: 8 }).memoryBytes).toBe(memoryBytes / 8);
  expect(modelNeed(SMOLLM2_135M, { context: 100_000 }).context).toBe(8192);
});

test('the largest buffer decides on the adapter', () => {
  expect(fitOf(modelNeed(SMOLLM2_135M), 269e6, LEAST)).toEqual({ fits: true });
  // The embedding of Qwen3-0.6B in 8 bits.
  const needBytes = (151_936 * 1024 * 34) / 32;
  const refused = { fits: false, lacks: 'buffer', needBytes, haveBytes: 134_217_728 };
  expect(fitOf(modelNeed(QWEN3_06B, { context: 8192 }), 640e6, LEAST)).toEqual(refused);
  expect(fitOf(modelNeed(QWEN3_06B, { context: 8192 }), 640e6, DESKTOP)).toEqual({ fits: true });
  expect(fitOf(modelNeed(LLAMA32_1B, { context: 8192 }), 2.5e9, LEAST)).toMatchObject({ lacks: 'buffer' });
  expect(fitOf(modelNeed(QWEN3_8B, { context: 8192 }), 16.4e9, DESKTOP)).toEqual({ fits: true });
});

test('then the disk, where it is known; the very last byte fits', () => {
  const disk = (freeDiskBytes: number | null): Room => ({ ...DESKTOP, freeDiskBytes });
  expect(fitOf(modelNeed(QWEN3_8B), 16.4e9, disk(16.4e9))).toEqual({ fits: true });
  expect(fitOf(modelNeed(QWEN3_8B), 16.4e9, disk(16.4e9 - 1))).toEqual({
    fits: false,
    lacks: 'disk',
    needBytes: 16.4e9,
    haveBytes: 16.4e9 - 1,
  });
  expect(fitOf(modelNeed(QWEN3_8B), 16.4e9, disk(null))).toEqual({ fits: true });
  expect(fitOf(null, 10, disk(9))).toMatchObject({ lacks: 'disk' });
  expect(fitOf(null, null, disk(0))).toEqual({ fits: true });
});
