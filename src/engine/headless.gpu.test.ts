/** The engine without a worker, from addresses, as a program in Node uses it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HubServer, leadToHub, serveHub } from '../store/hub_server.ts';
import type { LoadProgress } from './api.ts';
import { createEngine } from './headless.ts';
import { dawn, EXACT, MICRO_FOLDER, microEngine } from './test_engine.ts';
import { serveMicro } from './test_server.ts';

let hub: HubServer;
let back = (): void => {};
beforeAll(async () => {
  const read = async (name: string) => [name, await readFile(join(MICRO_FOLDER, name))] as const;
  const files = Object.fromEntries(await Promise.all((await readdir(MICRO_FOLDER)).map(read)));
  hub = await serveHub({ 'tiny/Micro': { files, cardData: { license: 'other', license_name: 'for-tests' } } });
  back = leadToHub(hub);
});
afterAll(async () => {
  back();
  await hub.close();
});

test('loads a repository of the hub in this thread and answers as the engine does', async () => {
  const stages: LoadProgress['stage'][] = [];
  const engine = await createEngine({
    ...{ model: 'hf:tiny/Micro', gpu: dawn, ...EXACT },
    onProgress: ({ stage }) => stages.push(stage),
  });
  expect(engine.info).toMatchObject({ modelName: 'Micro', license: 'for-tests' });
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
});

test('a repository that is not there is an error that says so', async () => {
  const asked = createEngine({ model: 'hf:tiny/Absent', gpu: dawn });
  await expect(asked).rejects.toMatchObject({ name: 'HubError', reason: 'missing', repo: 'tiny/Absent' });
});

test('an address with nothing behind it is an error that says so', async () => {
  const server = await serveMicro();
  const model = `${server.address}/elsewhere/nothing.gguf`;
  await expect(createEngine({ model, gpu: dawn })).rejects.toMatchObject({ name: 'DownloadError', status: 404 });
  server.close();
});
