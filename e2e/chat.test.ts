/** The whole page with the micro model: from the address to a conversation that forgets, by keyboard and by pointer. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DESKTOP, type LethePage, openSite, PHONE, type Site } from './browser.ts';

/** Greedy, so that runs are alike; the micro model's words mean nothing and rarely end by themselves. */
const SETTINGS = { temperature: 0, maxTokens: 40 };

/** Tokens of an answer that is still being written a second or two after it began. */
const LONG = 400;

/** Milliseconds within which a stopped answer must stand still: a step or two, on a software adapter. */
const STOP_MS = 3000;

let site: Site;
let lethe: LethePage;

/** One visit serves all tests but the reload: a software adapter takes a quarter of a minute to compile the kernels. */
beforeAll(async () => {
  site = await openSite();
  lethe = await site.visit({ settings: SETTINGS });
  await lethe.untilState('ready');
});
afterAll(async () => {
  await lethe.close();
  await site.close();
});

describe('a conversation', () => {
  afterEach(async () => {
    expect(lethe.errors).toEqual([]);
    await lethe.page.setViewportSize(DESKTOP);
    await lethe.page.emulateMedia({ colorScheme: 'light' });
    await lethe.startAnew();
  });

  test('starts with the cursor in the field, streams, and says what it cost', async () => {
    await lethe.watchStream();
    await lethe.page.keyboard.type('What does the river forget?');
    await lethe.page.keyboard.press('Enter');
    await lethe.untilStreamed(4);
    await lethe.untilState('ready');
    expect(await lethe.value('note').innerText()).toMatch(
      /^40 tokens, [\d.,]+ tok\/s, memory [\d.]+ k?B \(dense [\d.]+ k?B\), cut at the longest answer$/,
    );
    expect(await lethe.value('ttft').innerText()).toMatch(/^[\d.]+ m?s$/);
    expect(await lethe.value('decode-speed').innerText()).toMatch(/^[\d.,]+ tokens\/s$/);
    expect(await lethe.value('adapter').innerText()).toContain('swiftshader');
    // The focus was not taken away, so the next message can be typed at once.
    expect(await lethe.field.evaluate((field) => field.matches(':focus'))).toBe(true);
  });

  test('holds fewer tokens than it saw once it passes the window, and the map shows it', async () => {
    const empty = await lethe.heatMapPixels();
    await lethe.ask('What does the river forget?');
    const seen = await lethe.number('tokens');
    const held = await lethe.heldTokens();
    expect(seen).toBeGreaterThan(60);
    expect(held.flat()).toHaveLength(4);
    for (const tokens of held.flat()) {
      expect(tokens).toBeGreaterThanOrEqual(17);
      expect(tokens).toBeLessThanOrEqual(seen);
    }
    const first = await lethe.heatMapPixels();
    expect(first).not.toBe(empty);
    expect(await lethe.number('ratio')).toBeGreaterThan(1);
    expect(await lethe.number('headline')).toBeGreaterThan(1);
    await lethe.ask('And what does it keep?');
    expect(await lethe.heatMapPixels()).not.toBe(first);
    expect(await lethe.heldTokens()).not.toEqual(held);
  });

  test('reads single cells of the map by arrow keys and by pointer', async () => {
    await lethe.ask('What does the river forget?');
    const seen = await lethe.value('tokens').innerText();
    const held = await lethe.heldTokens();
    const canvas = lethe.page.locator('lethe-heat-map canvas');
    const output = lethe.page.locator('lethe-heat-map output');
    await canvas.focus();
    await canvas.press('ArrowDown');
    await canvas.press('ArrowDown');
    await canvas.press('ArrowRight');
    expect(await output.innerText()).toBe(`layer 2, head 2: ${held[1][1]} of ${seen} tokens`);
    await canvas.hover({ position: { x: 60, y: 22 } });
    expect(await output.innerText()).toBe(`layer 1, head 1: ${held[0][0]} of ${seen} tokens`);
  });

  test('stops by Esc within a step and goes on afterwards', async () => {
    await lethe.setLongest(1500);
    await lethe.send('Tell me everything.');
    await lethe.untilState('writing');
    await lethe.page.keyboard.press('Escape');
    await lethe.untilState('ready', STOP_MS);
    const text = await lethe.answers.first().innerText();
    expect(await lethe.value('note').innerText()).toContain('stopped');
    await lethe.page.waitForTimeout(500);
    expect(await lethe.answers.first().innerText()).toBe(text);
    await lethe.send('Go on.');
    await lethe.untilState('writing');
    await lethe.button('Stop').click();
    await lethe.untilState('ready', STOP_MS);
    expect(await lethe.answers.count()).toBe(2);
    await lethe.setLongest(SETTINGS.maxTokens);
  });

  test('changes what it keeps from the next message on, and says so', async () => {
    await lethe.ask('What does the river forget?');
    await lethe.page.getByRole('radio', { name: /^Dense/ }).check();
    expect(await lethe.value('notice').innerText()).toContain('Dense applies from your next message');
    expect(await lethe.number('ratio')).toBeGreaterThan(1);
    await lethe.ask('And what does it keep?');
    expect(await lethe.value('notice').innerText()).toBe('');
    const seen = await lethe.number('tokens');
    expect((await lethe.heldTokens()).flat()).toEqual([seen, seen, seen, seen]);
    expect(await lethe.value('ratio').innerText()).toBe('1.0×');
    await lethe.page.getByRole('radio', { name: /^Window/ }).check();
    expect(await lethe.value('notice').innerText()).toContain('Window applies from your next message');
    await lethe.page.getByRole('radio', { name: /^DMS/ }).check();
    await lethe.ask('So?');
    expect(await lethe.number('ratio')).toBeGreaterThan(1);
  });

  test('a new chat forgets, and Up edits the last message', async () => {
    await lethe.ask('one');
    await lethe.ask('two');
    await lethe.field.press('ArrowUp');
    expect(await lethe.field.inputValue()).toBe('two');
    await lethe.field.press('Escape');
    expect(await lethe.field.inputValue()).toBe('');
    await lethe.field.press('ArrowUp');
    await lethe.field.fill('three');
    await lethe.field.press('Enter');
    await expect.poll(() => lethe.questions.allInnerTexts()).toEqual(['one', 'three']);
    await lethe.untilState('ready');
    expect(await lethe.answers.count()).toBe(2);
    await lethe.button('New chat').click();
    await expect.poll(() => lethe.value('tokens').innerText()).toBe('0');
    expect(await lethe.answers.count()).toBe(0);
  });

  test('a reader who scrolled up is left in peace and can return', async () => {
    await lethe.page.setViewportSize({ width: 1280, height: 420 });
    await lethe.ask('one');
    await lethe.ask('two');
    const log = lethe.page.getByRole('log');
    await lethe.setLongest(LONG);
    await lethe.send('three');
    await lethe.untilState('writing');
    await log.hover();
    await lethe.page.mouse.wheel(0, -400);
    await lethe.button('↓ Latest').waitFor();
    const top = await log.evaluate((element) => element.scrollTop);
    await lethe.untilState('ready');
    expect(await log.evaluate((element) => element.scrollTop)).toBe(top);
    await lethe.button('↓ Latest').click();
    const left = (element: Element): number => element.scrollHeight - element.clientHeight - element.scrollTop;
    expect(await log.evaluate(left)).toBeLessThan(2);
    await lethe.setLongest(SETTINGS.maxTokens);
  });

  test('every control is reached by Tab alone', async () => {
    await lethe.ask('What does the river forget?');
    const reached: string[] = [];
    const focused = (): string => {
      let element: Element | null = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      const name = element?.getAttribute('aria-label') ?? element?.textContent ?? '';
      return `${element?.tagName.toLowerCase()} ${name}`.trim();
    };
    for (let i = 0; i < 40; i++) {
      reached.push(await lethe.page.evaluate(focused));
      await lethe.page.keyboard.press('Tab');
    }
    const all = reached.join('\n');
    for (const name of [
      'textarea Message',
      'button New chat',
      'button Settings',
      'Conversation',
      'canvas',
      'summary',
    ]) {
      expect(all).toContain(name);
    }
    expect(all).toMatch(/^input/m);
  });

  test('an answer is never trusted, and code can be copied', async () => {
    await lethe.ask('Hi');
    const text = [
      'A **bold** [link](https://example.org) and [another](javascript:alert(1)).',
      '<img src="x" onerror="document.title=\'broken\'"><script>document.title="broken"</script>',
      '<iframe src="https://example.org"></iframe><form><input></form>',
      '```js\nconst a = "<b>";\n```',
    ].join('\n\n');
    const view = lethe.page.locator('lethe-turn[data-role=assistant]');
    await view.evaluate((element, text) => {
      Object.assign(element, { turn: { id: 2, role: 'assistant', activity: 'idle', note: '', text } });
    }, text);
    const answer = lethe.answers.first();
    await answer.locator('strong', { hasText: 'bold' }).waitFor();
    expect(await answer.locator('img, script, iframe, form, input').count()).toBe(0);
    const links = answer.locator('a');
    expect(await links.first().getAttribute('href')).toBe('https://example.org');
    expect(await links.first().getAttribute('rel')).toContain('noopener');
    expect(await links.nth(1).getAttribute('href')).toBeNull();
    expect(await answer.locator('pre').innerText()).toBe('const a = "<b>";');
    await lethe.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await lethe.button('Copy').click();
    await lethe.button('Copied').waitFor();
    expect(await lethe.page.evaluate(() => navigator.clipboard.readText())).toBe('const a = "<b>";');
    expect(await lethe.page.title()).toBe('Lethe');
  });

  test('on a phone the memory is one line that opens as a sheet', async () => {
    await lethe.setLongest(LONG);
    await lethe.page.setViewportSize(PHONE);
    await lethe.send('What does the river forget?');
    await lethe.untilState('writing');
    const line = lethe.page.getByRole('button', { name: /smaller, / });
    await line.click();
    await lethe.page.locator('lethe-heat-map canvas').waitFor();
    await lethe.untilState('ready');
    await lethe.page.waitForTimeout(100);
    await lethe.bothSchemes('memory_phone');
    expect((await lethe.heldTokens()).flat()).toHaveLength(4);
    await lethe.page.keyboard.press('Escape');
    await lethe.page.locator('lethe-heat-map canvas').waitFor({ state: 'hidden' });
    const wide = await lethe.page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide).toBe(PHONE.width);
    await lethe.page.setViewportSize(DESKTOP);
    await lethe.setLongest(SETTINGS.maxTokens);
  });

  test('on a desktop conversation and memory stand side by side; pictures of both sizes', async () => {
    await lethe.pictures('empty');
    await lethe.setLongest(LONG);
    await lethe.page.getByRole('button', { name: /Let it write at length/ }).click();
    await lethe.untilState('writing');
    await lethe.pictures('writing');
    await lethe.untilState('ready');
    await lethe.pictures('chat');
    const log = await lethe.page.getByRole('log').boundingBox();
    const panel = await lethe.page.locator('lethe-memory').boundingBox();
    expect((log?.x ?? 0) + (log?.width ?? 0)).toBeLessThanOrEqual(panel?.x ?? 0);
    await lethe.setLongest(SETTINGS.maxTokens);
  });
});

test('settings outlive a reload', async () => {
  await lethe.button('Settings').click();
  await lethe.page.getByLabel('System prompt').fill('Be brief.');
  await lethe.page.getByLabel('Temperature').fill('0.5');
  await lethe.page.getByLabel('Longest answer').fill('7');
  await lethe.screenshot('settings-desktop-light');
  await lethe.button('Save').click();
  await lethe.page.getByRole('radio', { name: /^Dense/ }).check();
  await lethe.page.reload();
  await lethe.untilState('ready');
  await expect.poll(() => lethe.page.getByRole('radio', { name: /^Dense/ }).isChecked()).toBe(true);
  await lethe.button('Settings').click();
  expect(await lethe.page.getByLabel('System prompt').inputValue()).toBe('Be brief.');
  expect(await lethe.page.getByLabel('Temperature').inputValue()).toBe('0.5');
  await lethe.page.keyboard.press('Escape');
  await lethe.ask('Hello');
  expect(await lethe.value('note').innerText()).toMatch(/^7 tokens/);
  expect(lethe.errors).toEqual([]);
});

test('when the graphics processor is lost, a card says so and the conversation is still there', async () => {
  await lethe.ask('Hello again');
  const words = await lethe.answers.allInnerTexts();
  const browser = await site.browser.newBrowserCDPSession();
  await browser.send('Browser.crashGpuProcess');
  await lethe.card('fault').waitFor();
  expect(await lethe.card('fault').getAttribute('data-fault')).toBe('lost');
  expect(await lethe.answers.allInnerTexts()).toEqual(words);
  await lethe.screenshot('fault-lost-desktop-light');
  await lethe.button('Load again').click();
  await lethe.untilState('ready');
  await lethe.ask('And again');
  expect(await lethe.answers.count()).toBe(words.length + 1);
});
