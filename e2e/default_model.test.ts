/**
 * The model that ships with the repository, in the built page: it loads with its bytes told, can be cancelled and
 * loaded
 * again, answers in words, and stops. On a software adapter it does about a token a second, so it is asked for few.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSite, type Site } from './browser.ts';

const MINUTE = 60_000;

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

test('the default model loads, is cancelled, loads again, answers and stops', { timeout: 8 * MINUTE }, async () => {
  const settings = { temperature: 0, systemPrompt: '.' };
  const lethe = await site.visit({ model: null, settings });
  await lethe.card('loading').waitFor();
  await lethe.screenshot('loading-desktop-light');
  await lethe.button('Cancel').click();
  await lethe.card('cancelled').waitFor();
  await lethe.untilState('not loaded');

  await lethe.button('Load the model').click();
  await lethe.card('loading').waitFor();
  await expect.poll(() => lethe.value('progress').innerText(), { timeout: MINUTE }).toMatch(/ of \d{2,3}\.\d MB/);
  await lethe.untilState('ready', 3 * MINUTE);
  expect(await lethe.page.locator('header .chip').innerText()).toContain('SmolLM2-135M-Instruct');

  const empty = await lethe.heatMapPixels();
  await lethe.watchStream();
  await lethe.send('What is the capital of France?');
  await lethe.untilState('writing', 3 * MINUTE);
  const text = (): Promise<string> => lethe.answers.first().innerText();
  // At three lengths: a short answer may be whole soon after.
  await lethe.untilStreamed(3);
  await lethe.screenshot('default-model-desktop-light');
  await lethe.page.keyboard.press('Escape');
  await lethe.untilState('ready', MINUTE);
  expect(await text()).toContain('capital');
  expect(await lethe.value('note').innerText()).toMatch(/tokens, .*memory .* \(dense .*\)/);
  expect(await lethe.heldTokens()).toHaveLength(30);
  expect(await lethe.heatMapPixels()).not.toBe(empty);
  expect(lethe.errors).toEqual([]);
  await lethe.close();
});
