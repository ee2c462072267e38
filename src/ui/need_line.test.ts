/** The line before a download, and the proposed models that it falls back to. */
import { describe, expect, test } from 'vitest';
import type { Room } from '../engine/model_need.ts';
import { matrixElements, modelNeed } from '../engine/model_need.ts';
import { judgeNeed, needLine, recommendedNeed, smallerModel } from './need_line.ts';
import { RECOMMENDED } from './recommended.ts';

const DESKTOP: Room = { maxBufferSize: 4e9, maxStorageBufferBindingSize: 4e9, freeDiskBytes: 12e9 };
/** What WebGPU promises everywhere. */
const LEAST: Room = { maxBufferSize: 268_435_456, maxStorageBufferBindingSize: 134_217_728, freeDiskBytes: 12e9 };

function proposed(repo: string) {
  const found = RECOMMENDED.find((model) => model.repo === repo);
  if (!found) throw new Error(`${repo} is not proposed`);
  return found;
}

describe('the line', () => {
  test('says what is needed and what there is', () => {
    const qwen = proposed('Qwen/Qwen3-0.6B-GGUF');
    const judged = judgeNeed(recommendedNeed(qwen), qwen.bytes, DESKTOP);
    expect(judged).toMatchObject({ fit: { fits: true }, smaller: null });
    expect(needLine(judged)).toBe(
      'Needs about 1.2 GB of graphics memory, of which 499 MB to remember 8,192 tokens; ' +
        '639 MB on disk of 12.0 GB free.',
    );
  });

  test('says how much less is held where the model forgets', () => {
    const need = modelNeed(proposed('Qwen/Qwen3-0.6B-GGUF').sizes, { context: 8192, ratio: 4.1 });
    expect(needLine(judgeNeed(need, null, DESKTOP))).toBe(
      'Needs about 780 MB of graphics memory, of which 123 MB to remember 8,192 tokens (4.1× fewer held).',
    );
  });

  test('names a smaller model where the adapter is too small', () => {
    const qwen = proposed('Qwen/Qwen3-0.6B-GGUF');
    const judged = judgeNeed(recommendedNeed(qwen), qwen.bytes, LEAST);
    expect(judged.fit.fits).toBe(false);
    expect(needLine(judged)).toBe(
      'Too large for this adapter: one part needs a buffer of 165 MB, and it allows 134 MB.',
    );
    expect(judged.smaller?.repo).toBe('HuggingFaceTB/SmolLM2-360M-Instruct');
  });

  test('names a smaller model where the disk is full, the one beside the page at last', () => {
    const large = proposed('HuggingFaceTB/SmolLM2-1.7B-Instruct');
    const judged = judgeNeed(recommendedNeed(large), large.bytes, { ...DESKTOP, freeDiskBytes: 700e6 });
    expect(needLine(judged)).toContain('3.4 GB to download, and the browser gives this site 700 MB more');
    expect(judged.smaller?.repo).toBe('Qwen/Qwen3-0.6B-GGUF');
    const within = (freeDiskBytes: number) =>
      smallerModel({ need: null, downloadBytes: large.bytes, room: { ...DESKTOP, freeDiskBytes } });
    expect(within(200e6)?.repo).toBeNull();
    expect(within(1e6)).toBeNull();
  });

  test('of a model that nobody describes it says so', () => {
    expect(needLine(judgeNeed(null, null, DESKTOP))).toBe('What it needs is not told by the server.');
    expect(needLine(judgeNeed(null, 5e6, { ...DESKTOP, freeDiskBytes: null }))).toBe('Needs 5.0 MB on disk.');
  });
});

test.each(RECOMMENDED.map((model) => [model.name, model] as const))('%s: its figures agree', (_, model) => {
  const { sizes, parameters, bytes } = model;
  // All that is no matrix are norms: less than one number in a thousand.
  expect(matrixElements(sizes) / parameters).toBeGreaterThan(0.999);
  expect(matrixElements(sizes)).toBeLessThan(parameters);
  expect(modelNeed(sizes).weightBytes).toBeLessThan(4 * bytes);
  expect(bytes / parameters).toBeGreaterThan(0.5);
  expect(bytes / parameters).toBeLessThan(2.1);
});

test('the model beside the page comes first', () => {
  expect(RECOMMENDED[0].repo).toBeNull();
  expect(RECOMMENDED.slice(1).every(({ repo }) => repo !== null && /^[\w.-]+\/[\w.-]+$/.test(repo))).toBe(true);
});
