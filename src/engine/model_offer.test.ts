/** What is offered at an address, and what it needs: read from beginnings of files, on servers of this machine. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HubServer, leadToHub, serveHub } from '../store/hub_server.ts';
import { needFor } from './model_need.ts';
import { readOffer } from './model_offer.ts';

const ROOT = join(import.meta.dirname, '../..');
const DEFAULT = 'SmolLM2-135M-Instruct.Q4_1.gguf.part000';
/** int8 keys and values of a head, and their scales. */
const SLOT_BYTES = 64 + 64 + 2 * 4;

let hub: HubServer;
let back = (): void => {};
beforeAll(async () => {
  const model = (name: string) => readFile(join(ROOT, 'public/models/smollm2-135m-instruct', name));
  const micro = await readFile(join(ROOT, 'e2e/fixtures/micro/micro.gguf.part000'));
  const sidecar = 'smollm2-135m-instruct.dms.safetensors';
  hub = await serveHub({
    // The first of its parts is all that an offer may ask for.
    'far/folder': {
      files: {
        'lethe.json': await model('lethe.json'),
        [DEFAULT]: (await model(DEFAULT)).subarray(0, 1 << 16),
        [sidecar]: await model(sidecar),
      },
    },
    'far/files': {
      files: {
        'm-Q8_0.gguf': micro,
        'model.safetensors': new Uint8Array(1000),
        'config.json': await readFile(join(ROOT, 'e2e/fixtures/families/qwen2/config.json')),
      },
      cardData: { license: 'other', license_name: 'for-tests' },
    },
  });
  back = leadToHub(hub);
});
afterAll(async () => {
  back();
  await hub.close();
});

const folder = () => readOffer(`${hub.url}/far/folder/resolve/main/`);

describe('a model folder', () => {
  test('tells its weights and its memory by the first bytes of its parts', async () => {
    const { name, license, bytes, described } = await folder();
    expect({ name, license, bytes }).toEqual({
      ...{ name: 'SmolLM2-135M-Instruct', license: 'Apache-2.0' },
      bytes: 98_362_432 + 10_100_064,
    });
    expect(described).toMatchObject({
      sizes: { numHiddenLayers: 30, numKeyValueHeads: 3, headDim: 64, vocabSize: 49152, maxPositionEmbeddings: 8192 },
      weightBytes: 98_362_432,
      // All seven projections of every layer.
      forgetting: { offset: 8, updatedElements: 30 * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 1536 * 576) },
    });
  });

  test('needs what its own policy holds, or the one that was chosen', async () => {
    const { described } = await folder();
    const need = (policy: Parameters<typeof needFor>[1]['policy'], context = 8192) => {
      if (!described) throw new Error('nothing is described');
      return needFor(described, { policy, context });
    };
    const pages = (tokens: number) => 30 * 3 * Math.ceil(tokens / 32) * 32 * SLOT_BYTES;
    // Measured: 4.1014 at its own offset of 8, 6.0089 at 4.624. At 5 the next of the same window is 6: 4.8657.
    expect(need(null)).toMatchObject({ ratio: 4.1014, memoryBytes: pages(8192 / 4.1014) });
    expect(need({ kind: 'dms', offset: 4.624 })).toMatchObject({ ratio: 6.0089, memoryBytes: pages(8192 / 6.0089) });
    expect(need({ kind: 'dms', offset: 5 }).ratio).toBe(4.8657);
    expect(need({ kind: 'dms', offset: 20 }).ratio).toBe(1);
    expect(need({ kind: 'window', window: 123, sinks: 4 }).memoryBytes).toBe(pages(128));
    const dense = need({ kind: 'dense' });
    expect(dense).toMatchObject({ ratio: 1, memoryBytes: pages(8192), weightBytes: 98_362_432 });
    expect(need({ kind: 'dense' }, 100_000).context).toBe(8192);
    expect(need({ kind: 'dense' }, 1000)).toMatchObject({ context: 1000, memoryBytes: pages(1000) });
    // Merged projections are held in 8 bits; what is the largest buffer stays it.
    const grown = need(null).weightBytes - dense.weightBytes;
    expect(grown / 106_168_320).toBeCloseTo(34 / 32 - 98_362_432 / (49152 * 576 + 106_168_320), 6);
    expect(need(null).largestBytes).toBe(dense.largestBytes);
  });

  test('is asked for no more than that, and for nothing whole', async () => {
    const before = hub.asked.length;
    await folder();
    const asked = hub.asked.slice(before).map((path) => path.split('/').at(-1));
    expect(asked.filter((name) => name === DEFAULT)).toHaveLength(1);
    expect(asked).toHaveLength(4);
  });
});

test('a repository tells the licence of its card and its forms; the chosen one is begun to be read', async () => {
  const offer = await readOffer('hf:far/files');
  const address = 'https://huggingface.co/far/files/resolve/main/m-Q8_0.gguf';
  expect(offer).toMatchObject({
    ...{ name: 'far/files', license: 'for-tests', bytes: 821472, host: 'huggingface.co', address },
    choices: [{ label: 'safetensors' }, { label: 'Q8_0', address }],
    described: { weightBytes: 821472, forgetting: null, sizes: { numHiddenLayers: 2 } },
  });
  // The address of its folder means the other form.
  const { choices: [other] = [] } = offer;
  expect(await readOffer(other.address)).toMatchObject({ bytes: 1000, described: { weightBytes: null } });
});

test('a server that sends no ranges is not asked for a model whole', async () => {
  let sent = 0;
  const server = createServer((_, response) => {
    response.on('error', () => {}).writeHead(200, { 'content-length': 1 << 28 });
    const more = (): void => {
      for (; !response.destroyed; sent += 1 << 16) if (!response.write(Buffer.alloc(1 << 16))) break;
    };
    response.on('drain', more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const offer = await readOffer(`http://127.0.0.1:${port}/large.gguf`);
  expect(offer).toEqual({
    name: 'large.gguf',
    license: null,
    host: `127.0.0.1:${port}`,
    bytes: 1 << 28,
    described: null,
  });
  expect(sent).toBeLessThan(1 << 27);
  server.closeAllConnections();
  server.close();
});
