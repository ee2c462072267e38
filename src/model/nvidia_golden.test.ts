/**
 * Small models against NVIDIA's own DMS code: logits, every bit and every live length, at any chunking.
 * LETHE_GOLDEN=all also reads 700 tokens in 700 chunks, which takes as long as all the rest.
 */

import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { convertModel } from '../formats/convert.ts';
import { openConvertible } from '../formats/convert_directory.ts';
import { openModel } from '../formats/model_folder.ts';
import { memorySource } from '../formats/sources.ts';
import { type Gpu, openGpu } from '../gpu/device.ts';
import { fileHash, nodeFileSet, sha256Hasher } from '../store/node_files.ts';
import type { FileSet } from '../util/byte_source.ts';
import { fileSource, firstDifference, HAVE_SHARED, SHARED, tensorFile } from './golden.ts';
import { type GpuModel, loadModel } from './load.ts';

Object.assign(globalThis, globals);
const dawn = create([]);
const VOCAB = 1000;
const MODELS = ['qwen3_adapter_w16', 'qwen3_borrow_w16_theta100'];
const CHUNKS = [7, 64, 700, 'stepwise'] as const;
/** Lengths of the golden texts, and how each is read. */
const CASES = [
  [200, [1, ...CHUNKS]],
  [700, process.env.LETHE_GOLDEN === 'all' ? [1, ...CHUNKS] : CHUNKS],
] as const;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ gpu: dawn });
});
afterAll(() => gpu.destroy());

function directory(name: string): FileSet {
  const folder = `${SHARED}/golden/dms/${name}`;
  const open = async (file: string) => (existsSync(`${folder}/${file}`) ? fileSource(`${folder}/${file}`) : null);
  return { name, open };
}

/** The folder that `lethe convert` would make of a directory, in memory. */
async function converted(name: string): Promise<FileSet> {
  const made = new Map<string, Uint8Array>();
  const { source, beside } = await openConvertible(nodeFileSet(`${SHARED}/golden/dms/${name}`), fileHash);
  const options = { name, license: null, beside, createHasher: sha256Hasher };
  await convertModel(source, options, async (file, bytes) => void made.set(file, bytes.slice()));
  return {
    name,
    async open(file) {
      const bytes = made.get(file);
      return bytes ? memorySource(file, bytes) : null;
    },
  };
}

async function load(files: FileSet): Promise<GpuModel> {
  return loadModel({ gpu, files: await openModel(files), weights: 'f32', activations: 'f32' });
}

describe.runIf(HAVE_SHARED)('NVIDIA golden models', () => {
  for (const name of MODELS) {
    describe(name, () => {
      let model: GpuModel;
      beforeAll(async () => {
        model = await load(directory(name));
      });
      afterAll(() => model.destroy());

      for (const [length, chunks] of CASES) {
        for (const chunk of chunks) {
          test(`T = ${length}, ${chunk === 'stepwise' ? 'token by token' : `chunks of ${chunk}`}`, async () => {
            const golden = await tensorFile(`${SHARED}/golden/dms/${name}/golden_T${length}.safetensors`);
            const ids = [...(await golden.i32('tokens'))];
            const want = await golden.f32('logits');
            const stepwise = chunk === 'stepwise';
            const options = { kv: 'f32', context: length, chunk: stepwise ? 8 : chunk } as const;
            const evaluator = await model.createEvaluator(options);
            let worst = 0;
            await evaluator.run(ids, {
              stepwise,
              rows: () => true,
              onRow: (row, logits) => {
                for (let i = 0; i < VOCAB; i++) {
                  const error = Math.abs(logits[i] - want[row * VOCAB + i]);
                  worst = Number.isFinite(error) ? Math.max(worst, error) : Number.POSITIVE_INFINITY;
                }
              },
            });
            expect(firstDifference(evaluator.bits(), await golden.u8('alpha'))).toBe(-1);
            const lengths = await golden.i32('live_len_decode');
            const last = Array.from(evaluator.live(), (_, head) => lengths[head * length + length - 1]);
            expect([...evaluator.live()]).toEqual(last);
            expect(worst).toBeLessThan(1e-3);
            evaluator.destroy();
          });
        }
      }

      test('made into a model folder it decides the same', async () => {
        const folder = await load(await converted(name));
        const golden = await tensorFile(`${SHARED}/golden/dms/${name}/golden_T200.safetensors`);
        const evaluator = await folder.createEvaluator({ kv: 'f32', context: 200, chunk: 64 });
        await evaluator.run([...(await golden.i32('tokens'))], { rows: () => false, onRow: () => {} });
        expect(firstDifference(evaluator.bits(), await golden.u8('alpha'))).toBe(-1);
        const lengths = await golden.i32('live_len_decode');
        const last = Array.from(evaluator.live(), (_, head) => lengths[head * 200 + 199]);
        expect([...evaluator.live()]).toEqual(last);
        evaluator.destroy();
        folder.destroy();
      });
    });
  }
});
