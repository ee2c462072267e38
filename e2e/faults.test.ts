/** What a person sees when the model cannot run or must not be loaded unasked: cards, never a blank page. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../scripts/build.mjs';
import { openSite, PHONE, type Site } from './browser.ts';

/** Takes WebGPU away from the page before its scripts run. */
function hideWebGpu(): void {
  Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });
}

const FAR = 'https://models.example.org/far/';

const MODEL = join(ROOT, 'public', 'models', 'smollm2-135m-instruct');

/** Plays the far server: it has the description and the beginnings of files, and gives nothing whole. */
async function answerFor(context: BrowserContext, asked: string[]): Promise<void> {
  const headers = { 'access-control-allow-origin': '*' };
  await context.route('https://models.example.org/**', (route) => {
    const name = new URL(route.request().url()).pathname.replace('/far/', '');
    asked.push(name);
    if (name === 'lethe.json') return route.fulfill({ path: join(MODEL, name), headers });
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(route.request().headers().range ?? '') ?? [];
    if (from === undefined || Number(to) >= 1 << 16) return route.fulfill({ status: 403, headers });
    return route.fulfill({
      ...{ status: 206, headers },
      body: readFileSync(join(MODEL, name)).subarray(Number(from), Number(to) + 1),
    });
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
    for (const fact of ['SmolLM2-135M-Instruct', '108 MB', 'models.example.org', 'Apache-2.0', 'swiftshader']) {
      expect(words).toContain(fact);
    }
    const need = await lethe.value('need').innerText();
    expect(need).toMatch(/^Needs about \d+ MB of graphics memory, of which 24\.7 MB to remember 8,192 tokens /);
    expect(need).toMatch(/ \(4\.1× fewer held\); 108 MB on disk of [\d.]+ [GM]B free\.$/);
    expect(new Set(asked)).toEqual(
      new Set([...['lethe.json', 'SmolLM2-135M-Instruct.Q4_1.gguf.part000', 'smollm2-135m-instruct.dms.safetensors']]),
    );
    const before = asked.length;
    await lethe.screenshot('consent-desktop-light');
    await lethe.button('Download and start').click();
    // The far server gives nothing whole, so the download fails, and says so.
    await lethe.card('fault').waitFor();
    expect(asked.length).toBeGreaterThan(before);
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
