/**
 * A model of the reader's own: proposed, found on the hub, pasted, dropped, kept and removed. The hub is a server of
 * this machine that speaks as the real one does; what the page asks of huggingface.co is led there.
 */
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../scripts/build.mjs';
import { type HubServer, serveHub } from '../src/store/hub_server.ts';
import { type LethePage, openSite, routeHub, type Site } from './browser.ts';

const MICRO_GGUF = readFileSync(join(ROOT, 'e2e/fixtures/micro/micro.gguf.part000'));

let site: Site;
let hub: HubServer;
let lethe: LethePage;
/** A folder to drop; the page reads it again on the way back to it. */
let dropped: string;

/** One visit serves all tests: a software adapter takes a while to compile the kernels. */
beforeAll(async () => {
  dropped = await mkdtemp(join(tmpdir(), 'lethe-dropped-'));
  hub = await serveHub({
    'tiny/Micro-GGUF': {
      files: { 'README.md': new Uint8Array(9), 'micro-Q8_0.gguf': MICRO_GGUF, 'micro-F16.gguf': MICRO_GGUF },
      tags: ['gguf', 'license:apache-2.0'],
      downloads: 1234,
    },
    'tiny/Locked': { files: { 'model.safetensors': new Uint8Array(9) }, tags: ['safetensors'], gated: 'manual' },
  });
  site = await openSite();
  lethe = await site.visit({
    settings: { maxTokens: 4, temperature: 0 },
    prepare: (context) => routeHub(context, hub),
  });
  await lethe.untilState('ready');
});
afterAll(async () => {
  await lethe.close();
  await site.close();
  await hub.close();
  await rm(dropped, { recursive: true });
});

/** Drops files on the page: those at addresses of the site joined into one, or a text. */
async function drop(name: string, parts: readonly string[] | string): Promise<void> {
  await lethe.page.evaluate(
    async ({ name, parts }) => {
      const fetched = async (url: string): Promise<Blob> => (await fetch(url)).blob();
      const content = typeof parts === 'string' ? [parts] : await Promise.all(parts.map(fetched));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(content, name));
      const target = document.querySelector('lethe-page');
      for (const type of ['dragover', 'drop']) {
        target?.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, composed: true, cancelable: true }));
      }
    },
    { name, parts: typeof parts === 'string' ? parts : [...parts] },
  );
}

/** Drops files or folders of this machine on the middle of the page, as the browser itself hands them over. */
async function dropFromDisk(...paths: string[]): Promise<void> {
  const devtools = await lethe.context.newCDPSession(lethe.page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await devtools.send('Input.dispatchDragEvent', { type, x: 640, y: 400, data });
  }
  await devtools.detach();
}

async function openPicker(): Promise<void> {
  await lethe.page.getByRole('button', { name: /^Model/ }).click();
  await lethe.page.getByRole('dialog', { name: 'Models' }).waitFor();
}

test('the models: what is loaded, what is proposed with size and licence, what is kept', async () => {
  await openPicker();
  expect(await lethe.value('loaded').innerText()).toContain('Micro');
  const proposed = lethe.page.getByRole('list', { name: 'Proposed models' }).getByRole('listitem');
  expect(await proposed.count()).toBeGreaterThan(3);
  const words = await proposed.nth(2).innerText();
  for (const fact of ['SmolLM2 360M', '362 million parameters', '724 MB', 'Apache-2.0', 'Needs about']) {
    expect(words).toContain(fact);
  }
  expect(await lethe.page.getByRole('list', { name: 'Kept models' }).innerText()).toContain('micro');
  expect(await lethe.seriousFindings()).toEqual([]);
  await lethe.pictures('picker');
  await lethe.page.keyboard.press('Escape');
});

test('a GGUF file that is dropped on the page loads and answers; the chat stays', async () => {
  await lethe.ask('Hello');
  await drop('micro.gguf', ['/fixtures/micro/micro.gguf.part000']);
  await lethe.untilState('loading|starting|ready');
  await lethe.untilState('ready');
  expect(await lethe.questions.allInnerTexts()).toEqual(['Hello']);
  expect(await lethe.ask('Once more')).not.toBe('');
  await openPicker();
  expect(await lethe.value('loaded').innerText()).toContain('was not taught to forget');
  await lethe.button('Close').first().click();
});

test('a folder that is chosen loads with what lies in it', async () => {
  await openPicker();
  await lethe.page.locator('input[data-folder]').setInputFiles(join(ROOT, 'e2e/fixtures/micro'));
  await lethe.page.getByRole('dialog', { name: 'Models' }).waitFor({ state: 'hidden' });
  await lethe.untilState('ready');
  await openPicker();
  // The folder's description and its sidecar were found by their names.
  expect(await lethe.value('loaded').innerText()).toMatch(/^Micro, .*licence Apache-2\.0\. It was taught to forget\.$/);
  await lethe.button('Close').first().click();
});

test('a folder in Hugging Face’s form that is dropped on the page loads and answers', async () => {
  for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) {
    await copyFile(join(ROOT, 'e2e/fixtures/retrofit', name), join(dropped, name));
  }
  const chat_template = '{% for message in messages %}{{ message.content }}{% endfor %}';
  await writeFile(join(dropped, 'tokenizer_config.json'), JSON.stringify({ chat_template }));
  await dropFromDisk(dropped);
  await lethe.untilState('loading|starting');
  await lethe.untilState('ready');
  expect(await lethe.ask('From a folder')).not.toBe('');
  await openPicker();
  expect(await lethe.value('loaded').innerText()).toContain('1.7 MB, licence not told. It was not taught');
  await lethe.button('Close').first().click();
});

test('a file that is no model: a card says so, the chat stays, and there is a way back', async () => {
  await drop('broken.gguf', 'this is not a model, whatever its name says');
  const card = lethe.card('fault');
  await card.waitFor();
  expect(await card.getAttribute('data-fault')).toBe('bad-model');
  expect(await card.locator('code').textContent()).toContain('broken.gguf: it begins with');
  expect(await lethe.questions.allInnerTexts()).toEqual(['Hello', 'Once more', 'From a folder']);
  await lethe.screenshot('picker_broken_desktop_light');
  await card.getByRole('button', { name: /^Back to/ }).click();
  await lethe.untilState('ready');
  expect(await lethe.ask('And now')).not.toBe('');
});

test('the hub: a search, an offer with its forms, a download, an answer', async () => {
  await openPicker();
  const field = lethe.page.getByLabel('Search the hub, or an address');
  await field.fill('micro');
  await field.press('Enter');
  const found = lethe.page.getByRole('list', { name: 'Found on the hub' });
  await found.waitFor();
  expect(await found.innerText()).toMatch(/tiny\/Micro-GGUF\s+GGUF, licence apache-2.0,\s+1,234 downloads/);
  expect(await lethe.seriousFindings()).toEqual([]);
  await found.getByRole('button', { name: 'Load tiny/Micro-GGUF' }).click();
  const card = lethe.card('consent');
  await card.waitFor();
  const words = await card.innerText();
  for (const fact of ['tiny/Micro-GGUF', '821 kB', 'huggingface.co', 'apache-2.0', 'Needs about']) {
    expect(words).toContain(fact);
  }
  // Nobody has agreed to anything yet: what was read is a list and the file's first bytes.
  const form = card.getByLabel('Form of the model');
  const forms = await form.locator('option').allInnerTexts();
  expect(forms.map((text) => text.trim())).toEqual(['Q8_0, 821 kB', 'F16, 821 kB']);
  await form.selectOption({ index: 1 });
  await lethe.page.locator('[data-card=consent] select').waitFor();
  await lethe.pictures('picker_offer');
  await lethe.button('Download and start').click();
  await lethe.untilState('ready');
  expect(await lethe.ask('From the hub')).not.toBe('');
  expect(hub.asked.some((path) => path.endsWith('/micro-F16.gguf'))).toBe(true);
  expect(new URL(lethe.page.url()).searchParams.get('model')).toMatch(/Micro-GGUF\/resolve\/main\/micro-F16\.gguf$/);
});

test('what was downloaded is kept, loads without a question, and is removed', async () => {
  await openPicker();
  const kept = lethe.page.getByRole('list', { name: 'Kept models' });
  const item = kept.getByRole('listitem').filter({ hasText: 'tiny/Micro-GGUF, micro-F16.gguf' });
  expect(await item.innerText()).toContain('821 kB');
  await item.getByRole('button', { name: /^Load/ }).click();
  await lethe.untilState('ready');
  await openPicker();
  await item.getByRole('button', { name: /^Remove/ }).click();
  await item.waitFor({ state: 'detached' });
  expect(await lethe.value('models-notice').textContent()).toContain('was removed');
  await lethe.page.keyboard.press('Escape');
});

test('a model that asks for a sign-in, and one that is not there, say what to do', async () => {
  for (const [repo, fault] of [
    ['tiny/Locked', 'gated'],
    ['tiny/Absent', 'not-found'],
  ]) {
    await openPicker();
    await lethe.page.getByLabel('Search the hub, or an address').fill(repo);
    await lethe.button('Find').click();
    await lethe.page.locator(`[data-card=fault][data-fault=${fault}]`).waitFor();
  }
  await lethe.screenshot('picker_absent_desktop_light');
});

test('the default model as one GGUF file, dropped, answers', async () => {
  const part = (i: number) => `/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf.part00${i}`;
  await drop('SmolLM2-135M-Instruct.Q4_1.gguf', [0, 1, 2, 3].map(part));
  await lethe.untilState('ready');
  await lethe.startAnew();
  expect(await lethe.ask('What is the capital of France?')).not.toBe('');
});
