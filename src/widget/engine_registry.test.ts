/** Who shares an engine and when it ends, with an engine that only counts. */
import { expect, test } from 'vitest';
import type { Occupancy } from '../cache/occupancy.ts';
import type { Engine, EngineOptions, LoadProgress } from '../engine/api.ts';
import { EngineRegistry } from './engine_registry.ts';

const FORM = { live: new Uint32Array(4), tokensSeen: 7, liveBytes: 70, denseBytes: 140 } as unknown as Occupancy;

/** A registry whose loads are finished by the test. */
function counted() {
  const loads: { options: EngineOptions; finish: () => void; fail: (cause: Error) => void; lose: () => void }[] = [];
  const calls: string[] = [];
  const registry = new EngineRegistry(
    (options) =>
      new Promise((resolve, reject) => {
        let lose = (): void => {};
        const lost = new Promise<string>((resolve) => {
          lose = () => resolve('gone');
        });
        const at = loads.length;
        const engine = {
          info: { modelName: `engine ${at}` },
          lost,
          occupancy: async () => FORM,
          reset: async () => void calls.push(`reset ${at}`),
          destroy: async () => void calls.push(`destroy ${at}`),
          chat: { completions: { create: async () => [] } },
        } as unknown as Engine;
        options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
        loads.push({ options, finish: () => resolve(engine), fail: reject, lose });
      }),
  );
  return { registry, loads, calls };
}

const MODEL: EngineOptions = { model: 'https://example.org/m/' };
const ask = (engine: Engine) => engine.chat.completions.create({ messages: [], stream: true });
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test('the same options share one load and its progress, other options do not', async () => {
  const { registry, loads, calls } = counted();
  const told: string[] = [];
  const tell = (who: string) => (progress: LoadProgress) => told.push(`${who} ${progress.done}`);
  const first = registry.share({ ...MODEL, onProgress: tell('first') });
  loads[0].options.onProgress?.({ stage: 'download', done: 1, total: 2 });
  const second = registry.share({ ...MODEL, onProgress: tell('second') });
  loads[0].options.onProgress?.({ stage: 'download', done: 2, total: 2 });
  const other = registry.share({ ...MODEL, cache: { context: 9 } });
  expect(told).toEqual(['first 1', 'second 1', 'first 2', 'second 2']);
  expect(loads).toHaveLength(2);
  for (const { finish } of loads) finish();
  const engines = await Promise.all([first, second, other]);
  expect(engines.map(({ info }) => info.modelName)).toEqual(['engine 0', 'engine 0', 'engine 1']);
  await engines[0].destroy();
  await engines[0].destroy();
  expect(calls).toEqual([]);
  expect(registry.has(MODEL)).toBe(true);
  await engines[1].destroy();
  expect(calls).toEqual(['destroy 0']);
  expect(registry.has(MODEL)).toBe(false);
});

test('one who gives up leaves the load to the others, the last one ends it', async () => {
  const { registry, loads } = counted();
  const aborts = [new AbortController(), new AbortController()];
  const shares = aborts.map(({ signal }) => registry.share({ ...MODEL, signal }));
  aborts[0].abort(new Error('enough'));
  await expect(shares[0]).rejects.toThrow('enough');
  expect(loads[0].options.signal?.aborted).toBe(false);
  aborts[1].abort(new Error('me too'));
  await expect(shares[1]).rejects.toThrow('me too');
  expect(loads[0].options.signal?.aborted).toBe(true);
  expect(registry.has(MODEL)).toBe(false);
});

test('after a failure or a loss the next one loads anew', async () => {
  const { registry, loads, calls } = counted();
  const failed = registry.share(MODEL);
  loads[0].fail(new Error('no room'));
  await expect(failed).rejects.toThrow('no room');
  const lost = registry.share(MODEL);
  loads[1].finish();
  const engine = await lost;
  loads[1].lose();
  expect(await engine.lost).toBe('gone');
  await settled();
  const anew = registry.share(MODEL);
  loads[2].finish();
  expect((await anew).info.modelName).toBe('engine 2');
  await engine.destroy();
  expect(calls).toEqual(['destroy 1']);
  expect(registry.has(MODEL)).toBe(true);
});

test('each sees its own conversation, and forgets no other', async () => {
  const { registry, loads, calls } = counted();
  const shares = [registry.share(MODEL), registry.share(MODEL)];
  loads[0].finish();
  const [first, second] = await Promise.all(shares);
  expect((await first.occupancy()).tokensSeen).toBe(0);
  await ask(first);
  expect((await first.occupancy()).tokensSeen).toBe(7);
  expect(await second.occupancy()).toMatchObject({ tokensSeen: 0, liveBytes: 0, live: new Uint32Array(4) });
  await second.reset();
  expect(calls).toEqual([]);
  await ask(second);
  expect((await first.occupancy()).tokensSeen).toBe(7);
  await first.reset();
  expect(calls).toEqual([]);
  await second.reset();
  expect(calls).toEqual(['reset 0']);
  await expect(first.setPolicy({ kind: 'dense' })).rejects.toThrow('keeps its policy');
});
