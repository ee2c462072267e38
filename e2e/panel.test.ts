/** The memory panel with the micro model: what it draws and says, held against the figures and against the engine. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LethePage, openSite, PHONE, type Site } from './browser.ts';

const SETTINGS = { temperature: 0, maxTokens: 40 };

let site: Site;
let lethe: LethePage;

beforeAll(async () => {
  site = await openSite();
  lethe = await site.visit({ settings: SETTINGS });
  await lethe.untilState('ready');
});
afterAll(async () => {
  await lethe.close();
  await site.close();
});

describe('the timeline', () => {
  /** Rows of turn, tokens, held, dense. */
  async function rows(): Promise<string[][]> {
    const details = lethe.page.locator('lethe-timeline details');
    if (!(await details.evaluate((element) => element instanceof HTMLDetailsElement && element.open))) {
      await details.locator('summary').click();
    }
    const found = await details.locator('tbody tr').all();
    return Promise.all(found.map((row) => row.locator('th, td').allInnerTexts()));
  }

  async function figures(): Promise<string[]> {
    return Promise.all(['tokens', 'held', 'dense'].map((name) => lethe.value(name).innerText()));
  }

  test('grows by a mark with each answer, at the figures of that moment', async () => {
    const timeline = lethe.page.locator('lethe-timeline');
    await timeline.getByText('begins with your first message').waitFor();
    await lethe.ask('What does the river forget?');
    const first = ['1', ...(await figures())];
    expect(await rows()).toEqual([first]);
    const line = await timeline.locator('path.live[d*=L]').last().getAttribute('d');
    await lethe.ask('And what does it keep?');
    expect(await rows()).toEqual([first, ['2', ...(await figures())]]);
    expect(await timeline.locator('path.live[d*=L]').last().getAttribute('d')).not.toBe(line);
    expect(await timeline.locator('line.mark').count()).toBe(2);
  });

  test('is read by arrow keys and by pointer', async () => {
    const drawing = lethe.page.getByRole('img', { name: /^Memory over the conversation/ });
    const output = lethe.page.locator('lethe-timeline output');
    const [tokens, held, dense] = await figures();
    await drawing.focus();
    await drawing.press('End');
    expect(await output.innerText()).toBe(`${tokens} tokens: ${held} held, of ${dense}`);
    await drawing.press('Home');
    expect(await output.innerText()).not.toContain(`${tokens} tokens`);
    await lethe.field.focus();
    const box = await drawing.boundingBox();
    await drawing.hover({ position: { x: (box?.width ?? 0) - 2, y: 60 } });
    expect(await output.innerText()).toContain(`${tokens} tokens`);
  });

  test('begins anew with another policy and another chat', async () => {
    await lethe.page.getByRole('radio', { name: /^Dense/ }).check();
    await lethe.ask('So?');
    expect((await rows()).map(([turn]) => turn)).toEqual(['1', '2', '3']);
    expect((await rows())[2]).toEqual(['3', ...(await figures())]);
    await lethe.bothSchemes('timeline_desktop');
    await lethe.page.getByRole('radio', { name: /^DMS/ }).check();
    await lethe.startAnew();
    await lethe.page.locator('lethe-timeline').getByText('begins with your first message').waitFor();
  });
});

describe('what is remembered', () => {
  /** Who holds each token, as the view has it. */
  async function held(): Promise<{ text: string; heads: number }[]> {
    const tokens = lethe.page.locator('lethe-remembered [data-token]');
    return tokens.evaluateAll((elements) =>
      elements.map((element) => ({
        text: element.textContent ?? '',
        heads: Number(element.getAttribute('data-held')),
      })),
    );
  }

  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const view = () => lethe.page.locator('lethe-remembered');

  test('shades every token by the heads that hold it, and agrees with the map', async () => {
    const answer = await lethe.ask('What does the river forget?');
    await lethe.page.getByRole('switch', { name: /^Shade the conversation/ }).check();
    await view().waitFor();
    const tokens = await held();
    expect(tokens).toHaveLength(await lethe.number('tokens'));
    expect(sum(tokens.map(({ heads }) => heads))).toBe(sum((await lethe.heldTokens()).flat()));
    const said = tokens.map(({ text }) => text).join('');
    expect(said).toContain('What does the river forget?');
    // The very last token was chosen and not read yet: nobody can hold it.
    expect(said).toContain(answer.replace('Answer:', '').trim().slice(0, 24));
    // The window holds the newest tokens in all four heads; older ones are held by fewer.
    expect(tokens.slice(-16).every(({ heads }) => heads === 4)).toBe(true);
    expect(tokens.slice(0, 40).some(({ heads }) => heads < 4)).toBe(true);
    expect(await view().locator('h3').allInnerTexts()).toEqual(['You', 'Answer']);
    await lethe.bothSchemes('remembered_desktop');
  });

  test('says in words who remembers a token, by arrow keys and by pointer', async () => {
    const tokens = await held();
    const region = lethe.page.getByRole('region', { name: /^The conversation, shaded/ });
    await region.focus();
    await region.press('End');
    expect(await lethe.value('token').innerText()).toMatch(
      new RegExp(`^Token ${tokens.length}, “.*”: all 4 heads remember it$`),
    );
    const few = tokens.findIndex(({ heads, text }) => heads > 0 && heads < 4 && text.trim() !== '');
    await region.press('Home');
    for (let i = 0; i < few; i++) await region.press('ArrowRight');
    const words = new RegExp(`^Token ${few + 1}, .*: ${tokens[few].heads} of 4 heads remember it, in (every )?layer`);
    expect(await lethe.value('token').innerText()).toMatch(words);
    await lethe.field.focus();
    await view()
      .locator(`[data-token="${tokens.length - 1}"]`)
      .hover();
    expect(await lethe.value('token').innerText()).toContain(`Token ${tokens.length},`);
  });

  test('shows the answer as ever while it is written, then shades the longer conversation', async () => {
    const before = (await held()).length;
    await lethe.setLongest(200);
    await lethe.send('And what does it keep?');
    await lethe.untilState('writing');
    await view().waitFor({ state: 'detached' });
    expect(await lethe.answers.last().isVisible()).toBe(true);
    await lethe.untilState('ready');
    await view().waitFor();
    expect((await held()).length).toBeGreaterThan(before);
    expect(await held()).toHaveLength(await lethe.number('tokens'));
    await lethe.button('Back to the chat').click();
    await view().waitFor({ state: 'detached' });
    expect(await lethe.page.getByRole('switch').isChecked()).toBe(false);
    await lethe.setLongest(SETTINGS.maxTokens);
    await lethe.startAnew();
  });
});

describe('how much to forget', () => {
  const slider = () => lethe.page.getByRole('slider', { name: 'How much to forget' });

  test('a model that was not measured says so, and the amount holds from the next message on', async () => {
    await lethe.ask('What does the river forget?');
    expect(await lethe.value('amount').innerText()).toBe('offset -2.8, as the model was made: not measured');
    const made = (await lethe.heldTokens()).flat();
    await slider().focus();
    for (let i = 0; i < 4; i++) await slider().press('ArrowRight');
    expect(await slider().getAttribute('aria-valuetext')).toBe('offset -10.8: not measured');
    expect(await lethe.value('notice').innerText()).toMatch(/^The new amount applies from your next message/);
    expect((await lethe.heldTokens()).flat()).toEqual(made);
    await lethe.ask('And what does it keep?');
    expect(await lethe.value('notice').innerText()).toBe('');
    const more = await lethe.number('ratio');
    await slider().focus();
    await slider().press('Home');
    await lethe.ask('So?');
    const less = await lethe.number('ratio');
    expect(more).toBeGreaterThan(1.25 * less);
    await lethe.page.reload();
    await lethe.untilState('ready');
    await expect.poll(() => slider().getAttribute('aria-valuetext')).toBe('offset 5.2: not measured');
    await lethe.page.getByRole('radio', { name: /^Dense/ }).check();
    expect(await slider().isDisabled()).toBe(true);
  });

  test('a measured model labels each stop with its figures', async () => {
    const { page } = lethe;
    await page.route('**/fixtures/micro/lethe.json', async (route) => {
      const manifest = await (await route.fetch()).json();
      const quality = [
        { offset: -4, ratio: 3.14, perplexity: 0.0272, kl: 0.05 },
        { offset: -2.8, ratio: 1.9, perplexity: -0.0032, kl: 0.02 },
      ];
      await route.fulfill({ json: { ...manifest, quality } });
    });
    await page.evaluate(() => localStorage.clear());
    await page.reload();
    await lethe.untilState('ready');
    const own = '1.9× fewer tokens, perplexity −0.3%, as the model was made';
    await expect.poll(() => lethe.value('amount').innerText()).toBe(own);
    await slider().focus();
    await slider().press('End');
    expect(await lethe.value('amount').innerText()).toBe('3.1× fewer tokens, perplexity +2.7%');
    await slider().scrollIntoViewIfNeeded();
    await lethe.bothSchemes('amount_desktop');
    await slider().press('Home');
    await page.unroute('**/fixtures/micro/lethe.json');
  });
});

describe('side by side', () => {
  const side = (kind: string) => lethe.page.locator(`[data-side=${kind}]`);
  const dialog = () => lethe.page.getByRole('dialog', { name: 'Side by side' });

  /** Bytes as `formatBytes` writes them. */
  async function held(kind: string): Promise<number> {
    const text = await side(kind).locator('[data-field=side-held]').innerText();
    const [figure, unit] = text.split(' ');
    return Number(figure) * { B: 1, kB: 1e3, MB: 1e6 }[unit as 'B' | 'kB' | 'MB'];
  }

  test('answers the same message twice, the dense memory larger, and the chat goes on as it was', async () => {
    await lethe.page.getByRole('radio', { name: /^DMS/ }).check();
    await lethe.startAnew();
    await lethe.setLongest(60);
    await lethe.ask('What does the river forget?');
    const before = [await lethe.number('tokens'), await lethe.value('held').innerText()];
    const map = await lethe.heldTokens();
    await lethe.button('Compare side by side').click();
    expect(await dialog().getByRole('textbox').inputValue()).toBe('What does the river forget?');
    await lethe.button('Run both').click();
    await lethe.page.locator('[data-field=comparison]', { hasText: /DMS holds .* less/ }).waitFor({ timeout: 60_000 });
    expect(await held('dense')).toBeGreaterThan(await held('dms'));
    expect(await held('dms')).toBeGreaterThan(0);
    for (const kind of ['dense', 'dms']) {
      expect((await side(kind).locator('.words').innerText()).length).toBeGreaterThan(20);
      expect(await side(kind).locator('[data-field=side-state]').innerText()).toMatch(/^60 tokens, [\d.,]+ tok\/s$/);
    }
    // Under its own policy the model says what it said in the chat.
    const said = (await lethe.answers.last().innerText()).replace('Answer:', '').trim();
    expect((await side('dms').locator('.words').innerText()).trim()).toBe(said);
    await lethe.bothSchemes('compare_desktop');
    expect(await lethe.seriousFindings()).toEqual([]);
    await lethe.button('Close').click();
    await dialog().waitFor({ state: 'hidden' });
    expect([await lethe.number('tokens'), await lethe.value('held').innerText()]).toEqual(before);
    expect(await lethe.heldTokens()).toEqual(map);
    // Read on, not read anew: the prompt of the next message is short.
    await lethe.ask('And what does it keep?');
    expect(await lethe.answers.count()).toBe(2);
    expect(await lethe.number('tokens')).toBeGreaterThan(Number(before[0]));
  });

  test('can be cancelled by Esc, and the chat can go on', async () => {
    const before = await lethe.number('tokens');
    await lethe.setLongest(1500);
    await lethe.button('Compare side by side').click();
    await lethe.button('Run both').click();
    await side('dense')
      .locator('[data-field=side-state]', { hasText: /^writing/ })
      .waitFor();
    await lethe.page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'hidden' });
    await expect.poll(() => lethe.number('tokens')).toBe(before);
    await lethe.setLongest(SETTINGS.maxTokens);
    await lethe.ask('So?');
    expect(await lethe.answers.count()).toBe(3);
  });
});

test('axe finds nothing serious in the panel, shaded or not, in both schemes and on a phone', async () => {
  const shade = lethe.page.getByRole('switch', { name: /^Shade the conversation/ });
  for (const colorScheme of ['light', 'dark'] as const) {
    await lethe.page.emulateMedia({ colorScheme });
    expect(await lethe.seriousFindings()).toEqual([]);
    await shade.check();
    await lethe.page.locator('lethe-remembered').waitFor();
    expect(await lethe.seriousFindings()).toEqual([]);
    await shade.uncheck();
  }
  await lethe.page.emulateMedia({ colorScheme: 'light' });
  await shade.check();
  await lethe.page.setViewportSize(PHONE);
  await lethe.page.locator('lethe-remembered').waitFor();
  await lethe.screenshot('remembered-phone-light');
  await lethe.page.getByRole('button', { name: /smaller, / }).click();
  await lethe.page.locator('lethe-timeline svg[role=img]').scrollIntoViewIfNeeded();
  await lethe.page.waitForTimeout(100);
  await lethe.screenshot('timeline-phone-light');
  // The sheet's line goes on where the panel's was.
  expect(await lethe.page.locator('lethe-timeline line.mark').count()).toBe(3);
  await lethe.button('Compare side by side').scrollIntoViewIfNeeded();
  await lethe.screenshot('amount-phone-light');
  expect(await lethe.seriousFindings()).toEqual([]);
  expect(await lethe.page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
  await lethe.button('Compare side by side').click();
  await lethe.screenshot('compare-phone-light');
});

test('the page made no error', () => {
  expect(lethe.errors).toEqual([]);
});
