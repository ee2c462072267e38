/** The widget in a page of somebody's own: two of them on one page, from the built package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { source as axeSource } from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ensureBuilt, ROOT } from '../scripts/build.mjs';
import { launchOptions } from '../scripts/chromium.mjs';
import { serve } from '../scripts/serve.mjs';
import type { LetheChat } from '../src/element.ts';
import { serveHub } from '../src/store/hub_server.ts';
import { WORDS } from '../src/ui/words.ts';
import { PHONE, routeHub } from './browser.ts';
import { type Visit, type VisitOptions, visitWidgets } from './widget_page.ts';

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;
const open: BrowserContext[] = [];

beforeAll(async () => {
  ensureBuilt('lib');
  const fixtures = join(ROOT, 'e2e', 'fixtures');
  server = await serve(join(fixtures, 'widget'), {
    extra: { '/dist/': join(ROOT, 'dist'), '/fixtures/': fixtures },
  });
  browser = await chromium.launch(launchOptions());
});
afterEach(async () => {
  for (const context of open.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Each string as its own name, with the places that it fills. */
const MARKED = Object.fromEntries(
  Object.entries(WORDS).map(([name, text]) => [name, `‹${[name, ...(text.match(/\{\w+\}/g) ?? [])].join(' ')}›`]),
);

async function visit(options: VisitOptions = {}): Promise<Visit> {
  const visited = await visitWidgets(browser, server.url, options);
  open.push(visited.lethe.context);
  return visited;
}

/** What axe finds serious or worse, by rule and place. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const axe = Reflect.get(window, 'axe') as typeof import('axe-core');
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`));
  });
}

/** More of a model than the beginning, which tells what it needs. */
const weights = (asked: readonly string[]): string[] =>
  asked.filter((one) => {
    const [path, range] = one.split(' bytes=');
    return /\.(gguf|part\d+|safetensors)$/.test(path) && Number(range?.split('-')[1] ?? Infinity) >= 1 << 16;
  });

test('nothing is asked for before it is opened, and no weights before the reader agrees', async () => {
  const { lethe, page, first, asked, events } = await visit();
  // The element alone: neither the engine, nor its worker, nor the chat.
  expect(asked.slice(0, 3)).toEqual(['/', '/dist/element.js', '/dist/chunks/register.js']);
  for (const path of asked.slice(1)) {
    expect(path).toMatch(/^\/dist\/(element|chunks\/\w+)\.js$/);
    const code = readFileSync(join(ROOT, path), 'utf8');
    expect(code).not.toMatch(/lethe_worker|data-card/);
  }
  expect(await faults(page)).toEqual([]);
  await lethe.screenshot('widget-closed-desktop-light');

  await first.launcher.click();
  await first.card('consent').waitFor();
  const card = await first.card('consent').innerText();
  expect(card).toMatch(/Download micro/i);
  expect(card).toMatch(/Size\s+\d+(\.\d)? (kB|MB)/);
  expect(card).toMatch(/Licence\s+\S+/);
  expect(card).toMatch(/of graphics memory, of which 1\.1 MB to remember 2,048 tokens; 828 kB on disk/);
  expect(weights(asked)).toEqual([]);
  expect(page.workers()).toHaveLength(0);
  expect(await faults(page)).toEqual([]);
  await lethe.screenshot('widget-consent-desktop-light');
  await first.button('Download and start').click();
  await first.untilState('ready');
  expect(weights(asked).length).toBeGreaterThan(0);
  const answer = await first.ask('Hello');
  expect(await events()).toEqual([
    'first open',
    expect.stringMatching(/^first ready \S/),
    'first message Hello',
    expect.stringMatching(/^first message/),
  ]);
  expect(answer).not.toBe('');
  expect(await faults(page)).toEqual([]);
  expect(lethe.errors).toEqual([]);
});

test('two on one page, whose script is another server’s, share one engine and no conversation', async () => {
  const elsewhere = await serve(join(ROOT, 'dist'), { headers: { 'Access-Control-Allow-Origin': '*' } });
  const { lethe, page, first, second, asked } = await visit({ scripts: elsewhere.url });
  const unset = { temperature: 0, maxTokens: 6 };
  await page.evaluate((options) => {
    for (const element of document.querySelectorAll('lethe-chat')) Object.assign(element, { options });
  }, unset);
  await first.start();
  const loaded = weights(asked).length;
  await second.launcher.click();
  await second.untilState('ready');
  // A worker of this page imports the engine's.
  expect(page.workers().map((worker) => worker.url())).toEqual([expect.stringMatching(`^blob:${server.url}`)]);
  expect(weights(asked)).toHaveLength(loaded);

  // Alternating, each is told what it would be told alone.
  const alone = [await first.ask('Where does it rise?'), await first.ask('And where does it end?')];
  await first.startAnew();
  const mixed = [await first.ask('Where does it rise?')];
  const other = await second.ask('Is it deep?');
  mixed.push(await first.ask('And where does it end?'));
  expect(mixed).toEqual(alone);

  // At once: one waits for the other.
  await second.startAnew();
  const answers = await page.evaluate(() =>
    Promise.all([
      (document.querySelector('#second') as LetheChat).send('Is it deep?'),
      (document.querySelector('#first') as LetheChat).send('Is it cold?'),
    ]),
  );
  expect(answers).toEqual([other, await first.answer(2)]);
  await lethe.screenshot('widget-two-desktop-light');
  expect(await faults(page)).toEqual([]);

  // The engine stays for the one that stays, and goes with the last.
  await page.evaluate(() => document.querySelector('#first')?.remove());
  expect(await second.ask('Still there?')).not.toBe('');
  expect(page.workers()).toHaveLength(1);
  await page.evaluate(() => document.querySelector('#second')?.remove());
  await expect.poll(() => page.workers().length).toBe(0);
  expect(lethe.errors).toEqual([]);
  await elsewhere.close();
});

/** Who has the focus, through every shadow root. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    let active = document.activeElement;
    const path: string[] = [];
    while (active) {
      path.push(active.id || active.localName);
      active = active.shadowRoot?.activeElement ?? null;
    }
    return path.join(' ');
  });
}

test('everything is done by keys, and the focus comes back', async () => {
  const { lethe, page, first, events } = await visit();
  const press = (key: string): Promise<void> => page.keyboard.press(key);
  for (let i = 0; i < 5 && (await focused(page)) !== 'first button'; i++) await press('Tab');
  expect(await focused(page)).toBe('first button');
  await press('Enter');
  await first.card('consent').waitFor();
  expect(await focused(page)).toBe('first lethe-composer textarea');
  await press('Shift+Tab');
  await press('Enter');
  await first.untilState('ready');
  await page.evaluate(() => {
    for (const element of document.querySelectorAll('lethe-chat')) Object.assign(element, { options: {} });
  });
  for (let i = 0; i < 5 && !(await focused(page)).endsWith('textarea'); i++) await press('Tab');
  await page.keyboard.type('Hello');
  await press('Enter');
  await first.untilState('ready');
  expect(await first.answers.count()).toBe(1);
  await press('Escape');
  expect(await first.dialog.isVisible()).toBe(false);
  expect(await focused(page)).toBe('first button');
  expect((await events()).at(-1)).toBe('first close');
  // Opened again it has kept the conversation.
  await press('Enter');
  expect(await first.answers.count()).toBe(1);
  await press('Escape');

  // Opened by the page's own button, that gets the focus back.
  await page.evaluate(() => {
    const chat = document.querySelector('#first') as LetheChat;
    document.querySelector('#own')?.addEventListener('click', () => chat.show());
  });
  await page.locator('#own').focus();
  await press('Enter');
  await expect.poll(() => focused(page)).toBe('first lethe-composer textarea');
  await press('Escape');
  expect(await focused(page)).toBe('own');
  expect(lethe.errors).toEqual([]);
});

test('on a phone, with a model of the hub: it asks first, fills the screen and holds the focus', async () => {
  const { lethe, page, first, events } = await visit({ viewport: PHONE, colorScheme: 'dark' });
  const files = { 'micro-Q8_0.gguf': readFileSync(join(ROOT, 'e2e/fixtures/micro/micro.gguf.part000')) };
  const hub = await serveHub({ 'tiny/Micro-GGUF': { files, tags: ['gguf', 'license:cc-by-nc-4.0'] } });
  await routeHub(lethe.context, hub);
  await page.evaluate(() => document.querySelector('#first')?.setAttribute('model', 'hf:tiny/Micro-GGUF'));
  await lethe.screenshot('widget-closed-phone-dark');
  await first.launcher.click();
  await first.card('consent').waitFor();
  const words = await first.card('consent').innerText();
  for (const fact of ['tiny/Micro-GGUF', '821 kB', 'huggingface.co', 'cc-by-nc-4.0']) expect(words).toContain(fact);
  expect(page.workers()).toHaveLength(0);
  await first.button('Download and start').click();
  await first.untilState('ready');
  expect((await events()).at(-1)).toBe('first ready Micro');
  await hub.close();
  const box = await first.dialog.boundingBox();
  expect(box).toEqual({ x: 0, y: 0, ...PHONE });
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab');
    expect(await focused(page)).toMatch(/^(first|body)/);
  }
  expect(await first.ask('Hello')).not.toBe('');
  expect(await faults(page)).toEqual([]);
  await lethe.screenshot('widget-open-phone-dark');
  await first.button('Close chat').click();
  expect(await first.dialog.isVisible()).toBe(false);
  expect(await focused(page)).toBe('first button');
  expect(lethe.errors).toEqual([]);
});

test('what is wrong with an option is said, and opening by markup leaves the focus alone', async () => {
  const { lethe, page, first, events } = await visit({ colorScheme: 'dark' });
  await page.locator('#own').focus();
  await page.evaluate(() => {
    document.querySelector('#first')?.setAttribute('policy', 'everything');
    document.querySelector('#first')?.setAttribute('open', '');
  });
  await first.card('fault').waitFor();
  expect(await focused(page)).toBe('own');
  expect(await first.card('fault').innerText()).toContain('The option policy is "everything".');
  expect(await first.card('fault').innerText()).toContain('Give one of dms, dense, window.');
  expect((await events()).at(-1)).toMatch(/^first error .*policy/);
  expect(await faults(page)).toEqual([]);
  await lethe.screenshot('widget-option-desktop-dark');
  await page.evaluate(() => document.querySelector('#first')?.setAttribute('policy', 'dense'));
  await first.card('consent').waitFor();
  await lethe.screenshot('widget-consent-desktop-dark');
  // Every word of the card is the page's own, if it likes: what is left of it are facts.
  await page.evaluate((strings) => Object.assign(document.querySelector('#first') as LetheChat, { strings }), MARKED);
  await first.element.getByText('‹accept›').waitFor();
  const card = (await first.card('consent').innerText()).replace(/\s+/g, ' ');
  expect(card.replace(/‹needs .*››/, '‹needs›').replace(/(?<=‹runsOn› )[^‹]+/, '… ')).toMatch(
    /^‹consentTitle Micro› ‹size› \d+ kB ‹from› [\d.:]+ ‹licence› Apache-2\.0 ‹runsOn› … ‹needs› ‹runsHere› ‹accept›$/,
  );
  expect(lethe.errors).toEqual([]);
});

test('a model at a server is spoken to without a download, and its failures are told', async () => {
  const { lethe, page, first, asked } = await visit();
  const keys: (string | undefined)[] = [];
  let broken = false;
  await lethe.context.route('https://models.example/v1/**', async (route) => {
    const request = route.request();
    const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' };
    if (request.method() === 'OPTIONS') return route.fulfill({ status: 204, headers });
    keys.push(request.headers().authorization);
    if (request.url().endsWith('/models')) return route.fulfill({ headers, json: { data: [{ id: 'river-8b' }] } });
    if (broken) return route.fulfill({ status: 503, headers, json: { error: { message: 'The river is dry.' } } });
    const told: unknown[] = request.postDataJSON().messages;
    const chunk = (content: string, finish: string | null): string =>
      `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
    const body = `${chunk(`I was told ${told.length}`, null)}${chunk(' messages.', 'stop')}data: [DONE]\n\n`;
    await route.fulfill({ headers: { ...headers, 'content-type': 'text/event-stream' }, body });
  });
  await page.evaluate(() => {
    const options = { baseURL: 'https://models.example/v1', apiKey: 'sesame', model: 'river-8b' };
    const chat = document.querySelector('#first') as LetheChat;
    Object.assign(chat, { options, model: null });
  });
  await first.launcher.click();
  await first.untilState('ready');
  expect(await first.dialog.innerText()).toContain('models.example');
  expect(await first.ask('Hello')).toBe('I was told 2 messages.');
  expect(await first.ask('Again')).toBe('I was told 4 messages.');
  expect(page.workers()).toHaveLength(0);
  expect(weights(asked)).toEqual([]);
  expect(new Set(keys)).toEqual(new Set(['Bearer sesame']));
  await lethe.screenshot('widget-server-desktop-light');
  broken = true;
  await first.field.fill('Still there?');
  await first.field.press('Enter');
  await first.card('fault').waitFor();
  expect(await first.card('fault').getAttribute('data-fault')).toBe('server');
  expect(await first.card('fault').textContent()).toContain('The river is dry.');
  expect(await first.field.inputValue()).toBe('Still there?');
  broken = false;
  await first.button('Load again').click();
  await first.untilState('ready');
  await first.field.press('Enter');
  await first.untilState('ready');
  await expect.poll(() => first.answers.count()).toBe(3);
});
