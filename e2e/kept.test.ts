/** A model is downloaded once: it is kept in the browser, whatever comes after, and by however many tabs. */
import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LethePage, MICRO, openSite, type Site } from './browser.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

/** Notes the weights that are asked for, by their addresses with ranges. */
function watchWeights(context: BrowserContext): string[] {
  const asked: string[] = [];
  context.on('request', async (request) => {
    if (/\.(gguf|part\d+|safetensors)$/.test(request.url())) {
      asked.push(`${request.url().split('/').at(-1)} ${(await request.allHeaders()).range ?? ''}`);
    }
  });
  return asked;
}

test('a reload asks for no weights, and answers', async () => {
  let asked: string[] = [];
  const lethe = await site.visit({
    settings: { maxTokens: 4 },
    prepare: async (context) => {
      asked = watchWeights(context);
    },
  });
  await lethe.untilState('ready');
  expect(asked.length).toBeGreaterThan(0);
  const before = asked.length;
  await lethe.page.reload();
  await lethe.untilState('ready');
  expect(await lethe.ask('Hello')).not.toBe('');
  expect(asked.slice(before)).toEqual([]);
  expect(lethe.errors).toEqual([]);
  await lethe.close();
});

test('two tabs that ask for one model download it once', async () => {
  const context = await site.browser.newContext();
  const asked = watchWeights(context);
  const open = async (): Promise<LethePage> => {
    const page = await context.newPage();
    const lethe = new LethePage(context, page);
    await page.goto(`${site.url}?model=${encodeURIComponent(MICRO)}`);
    return lethe;
  };
  const tabs = await Promise.all([open(), open()]);
  for (const tab of tabs) await tab.untilState('ready');
  expect(asked.length).toBeGreaterThan(0);
  expect(new Set(asked).size).toBe(asked.length);
  for (const tab of tabs) expect(tab.errors).toEqual([]);
  await context.close();
});
