/** What a person sees when the model cannot run or must not be loaded unasked: cards, never a blank page. */
import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSite, PHONE, type Site } from './browser.ts';

/** Takes WebGPU away from the page before its scripts run. */
function hideWebGpu(): void {
  Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });
}

const FAR = 'https://models.example.org/far/';

const MANIFEST = {
  version: 1,
  name: 'A far model',
  license: 'Apache-2.0',
  file: {
    name: 'far.gguf',
    size: 2_500_000,
    sha256: '0'.repeat(64),
    parts: [{ name: 'far.gguf.part000', size: 2_500_000, sha256: '0'.repeat(64) }],
  },
  sidecar: { name: 'far.dms.safetensors', size: 500_000, sha256: '0'.repeat(64) },
};

/** Plays the far server: it has the description and nothing else. */
async function answerFor(context: BrowserContext, asked: string[]): Promise<void> {
  const headers = { 'access-control-allow-origin': '*' };
  await context.route('https://models.example.org/**', (route) => {
    const { pathname } = new URL(route.request().url());
    asked.push(pathname);
    return pathname === '/far/lethe.json'
      ? route.fulfill({ json: MANIFEST, headers })
      : route.fulfill({ status: 403, headers });
  });
}

describe('with a graphics processor', () => {
  let site: Site;
  beforeAll(async () => {
    site = await openSite();
  });
  afterAll(() => site.close());

  test.each([
    ['light', 'desktop', undefined],
    ['dark', 'phone', PHONE],
  ] as const)('no WebGPU: the card says so (%s, %s)', async (colorScheme, size, viewport) => {
    const lethe = await site.visit({ colorScheme, before: hideWebGpu, ...(viewport && { viewport }) });
    const card = lethe.card('fault');
    await card.waitFor();
    expect(await card.getAttribute('data-fault')).toBe('no-webgpu');
    expect(await card.innerText()).toContain('This browser has no WebGPU here');
    await lethe.untilState('stopped');
    await lethe.screenshot(`fault-no-webgpu-${size}-${colorScheme}`);
    await lethe.close();
  });

  test('an address without a model: the card says so, and loading again is offered', async () => {
    const lethe = await site.visit({ model: '/fixtures/absent/' });
    const card = lethe.card('fault');
    await card.waitFor();
    await lethe.screenshot('fault-no-model-desktop-light');
    expect(await card.getAttribute('data-fault')).toMatch(/^(not-found|bad-model)$/);
    await lethe.button('Load again').click();
    await card.waitFor();
    await lethe.close();
  });

  test('a model on another server is asked about first, and downloaded only when told to', async () => {
    const asked: string[] = [];
    const lethe = await site.visit({ model: FAR, prepare: (context) => answerFor(context, asked) });
    const card = lethe.card('consent');
    await card.waitFor();
    const words = await card.innerText();
    for (const fact of ['A far model', '3.0 MB', 'models.example.org', 'Apache-2.0', 'swiftshader']) {
      expect(words).toContain(fact);
    }
    expect(await lethe.value('need').innerText()).toMatch(/^Needs 3\.0 MB on disk of [\d.]+ [GM]B free\.$/);
    expect(asked).toEqual(['/far/lethe.json']);
    await lethe.screenshot('consent-desktop-light');
    await lethe.button('Download and start').click();
    // The far server has no more than the description, so the download fails, and says so.
    await lethe.card('fault').waitFor();
    expect(asked.length).toBeGreaterThan(1);
    await lethe.close();
  });

  test('where it could not run, nothing is asked of another server', async () => {
    const asked: string[] = [];
    const prepare = (context: BrowserContext): Promise<void> => answerFor(context, asked);
    const lethe = await site.visit({ model: FAR, before: hideWebGpu, prepare });
    await lethe.card('fault').waitFor();
    expect(asked).toEqual([]);
    await lethe.close();
  });
});

test('no adapter: the card says so', async () => {
  const site = await openSite({ gpu: false });
  try {
    const lethe = await site.visit();
    const card = lethe.card('fault');
    await card.waitFor();
    expect(await card.getAttribute('data-fault')).toBe('no-adapter');
    expect(await card.getByRole('listitem').count()).toBeGreaterThan(1);
    await lethe.screenshot('fault-no-adapter-desktop-light');
    await lethe.close();
  } finally {
    await site.close();
  }
});
