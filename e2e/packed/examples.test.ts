/**
 * The projects under `examples/`, copied elsewhere, installed with the packed tarball, built by their own scripts and
 * driven in a browser with the micro model.
 */
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../../scripts/build.mjs';
import { launchOptions } from '../../scripts/chromium.mjs';
import { serve } from '../../scripts/serve.mjs';
import { LOAD_TIMEOUT_MS } from '../browser.ts';
import { install, type Packed, pack } from './tarball.ts';

/** Where the examples look for their model. */
const MODEL = { '/model/': join(ROOT, 'e2e', 'fixtures', 'micro') };

let packed: Packed;
let browser: Browser;

beforeAll(async () => {
  packed = pack();
  browser = await chromium.launch(launchOptions());
});

afterAll(async () => {
  await browser?.close();
  packed?.remove();
});

/** Opens a built example, and has `drive` use it; a script's error in the page is a failure. */
async function visit(folder: string, drive: (page: Page) => Promise<void>): Promise<void> {
  const server = await serve(folder, { extra: MODEL });
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.setDefaultTimeout(LOAD_TIMEOUT_MS);
  try {
    await page.goto(server.url);
    await drive(page);
    expect(errors).toEqual([]);
  } finally {
    await page.close();
    await server.close();
  }
}

/** Installs and builds an example. */
function built(name: string, output: string): { folder: string; remove: () => void } {
  const project = install(join(ROOT, 'examples', name), packed);
  project.runScript('build');
  return { folder: join(project.folder, output), remove: project.remove };
}

test('vite-react asks a question and shows what the memory holds', async () => {
  const { folder, remove } = built('vite-react', 'dist');
  await visit(folder, async (page) => {
    await page.getByRole('button', { name: 'Ask' }).click();
    const figure = page.locator('#figure', { hasText: /^\d+ bytes of memory; without forgetting \d+$/ });
    await figure.waitFor();
    expect(await page.locator('#answer').innerText()).not.toBe('');
    expect(await page.getByRole('status').innerText()).toBe('The model is ready.');
  });
  remove();
});

test('ai-sdk streams by streamText, and stops', async () => {
  const { folder, remove } = built('ai-sdk', 'dist');
  await visit(folder, async (page) => {
    const status = page.getByRole('status');
    const ask = page.getByRole('button', { name: 'Ask' });
    await ask.click();
    await status.filter({ hasText: /^\d+ tokens, ended by (length|stop)$/ }).waitFor();
    expect(await page.locator('#answer').innerText()).not.toBe('');
    await ask.click();
    await page.locator('#answer', { hasText: /./ }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await status.filter({ hasText: /^Stopped\.$/ }).waitFor();
  });
  remove();
});

/** Opens the widget by its button, agrees to the download, asks, and waits for the answer. */
async function askWidget(page: Page): Promise<string> {
  const chat = page.locator('lethe-chat');
  // The test's model rarely ends by itself, and would fill the whole context.
  await chat.evaluate((element) => Object.assign(element, { options: { maxTokens: 60 } }));
  await chat.locator('.launcher').click();
  await chat.getByRole('button', { name: 'Download and start' }).click();
  const ready = chat.locator('[data-field=state]', { hasText: /^\s*ready\s*$/ });
  await ready.waitFor();
  const field = chat.getByLabel('Message', { exact: true });
  await field.fill('Why do rivers meander?');
  await field.press('Enter');
  const answer = chat.locator('lethe-turn[data-role=assistant] .answer');
  await answer.waitFor({ state: 'attached' });
  await ready.waitFor();
  return answer.innerText();
}

test('plain needs no bundler', async () => {
  const { folder, remove } = built('plain', 'dist');
  await visit(folder, async (page) => {
    expect(await askWidget(page)).not.toBe('');
  });
  remove();
});

test('nextjs renders the widget on the server and answers in the browser', async () => {
  const { folder, remove } = built('nextjs', 'out');
  await visit(folder, async (page) => {
    expect(await askWidget(page)).not.toBe('');
    await page.getByText('Answers so far: 1', { exact: true }).waitFor();
  });
  remove();
});
