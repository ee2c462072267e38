/** The engine without a worker, from an address, as a program in Node uses it. */
import { expect, test } from 'vitest';
import type { LoadProgress } from './api.ts';
import { createEngine } from './headless.ts';
import { dawn, EXACT, microEngine } from './test_engine.ts';
import { serveMicro } from './test_server.ts';

test('loads from an address in this thread and answers as the engine does', async () => {
  const server = await serveMicro();
  const stages: LoadProgress['stage'][] = [];
  const engine = await createEngine({
    ...{ model: `${server.address}/micro/`, gpu: dawn, ...EXACT },
    onProgress: ({ stage }) => stages.push(stage),
  });
  const other = await microEngine(EXACT);
  const request = { messages: [{ role: 'user', content: 'What is kept?' }], temperature: 0, max_tokens: 8 } as const;
  const [ours, theirs] = [await engine.chat.completions.create(request), await other.chat.completions.create(request)];
  expect(ours.choices).toEqual(theirs.choices);
  expect([...new Set(stages)]).toEqual(['download', 'upload', 'compile', 'ready']);
  await engine.snapshots.save('a');
  await engine.reset();
  expect(await engine.snapshots.restore('a')).toBe(true);
  expect((await engine.occupancy()).tokensSeen).toBeGreaterThan(0);
  await Promise.all([engine.destroy(), other.destroy()]);
  server.close();
});

test('an address with nothing behind it is an error that says so', async () => {
  const server = await serveMicro();
  const model = `${server.address}/elsewhere/nothing.gguf`;
  await expect(createEngine({ model, gpu: dawn })).rejects.toMatchObject({ name: 'DownloadError', status: 404 });
  server.close();
});
