/** A page of somebody's own with two widgets, in a real Chromium, by what is seen of them. */
import type { Browser, Locator, Page } from 'playwright-core';
import { DESKTOP, LethePage, LOAD_TIMEOUT_MS } from './browser.ts';

/** One widget, by what is seen of it. */
export class Widget {
  readonly element: Locator;

  constructor(
    readonly page: Page,
    readonly id: string,
  ) {
    this.element = page.locator(`#${id}`);
  }

  get launcher(): Locator {
    return this.element.locator('.launcher');
  }

  get dialog(): Locator {
    return this.element.getByRole('dialog');
  }

  get field(): Locator {
    return this.element.getByLabel('Message', { exact: true });
  }

  get answers(): Locator {
    return this.element.locator('lethe-turn[data-role=assistant] .answer');
  }

  button(name: string): Locator {
    return this.element.getByRole('button', { name, exact: true });
  }

  card(kind: string): Locator {
    return this.element.locator(`[data-card=${kind}]`);
  }

  async untilState(word: string): Promise<void> {
    const state = this.element.locator('[data-field=state]', { hasText: new RegExp(`^\\s*${word}\\s*$`) });
    await state.waitFor({ timeout: LOAD_TIMEOUT_MS });
  }

  /** Opens it by its button and agrees to the download where it asks. */
  async start(): Promise<void> {
    await this.launcher.click();
    const accept = this.button('Download and start');
    const ready = this.element.locator('[data-field=state]', { hasText: /^\s*ready\s*$/ });
    await accept.or(ready).first().waitFor({ timeout: LOAD_TIMEOUT_MS });
    if (await accept.isVisible()) await accept.click();
    await this.untilState('ready');
  }

  async startAnew(): Promise<void> {
    await this.button('New chat').click();
    await this.answers.first().waitFor({ state: 'detached' });
  }

  async ask(text: string): Promise<string> {
    const turns = await this.answers.count();
    await this.field.fill(text);
    await this.field.press('Enter');
    await this.answers.nth(turns).waitFor({ state: 'attached' });
    await this.untilState('ready');
    return this.answer(turns);
  }

  /** The words of an answer, without what only a screen reader is told. */
  async answer(index: number): Promise<string> {
    return (await this.answers.nth(index).innerText()).replace(/^Answer:\s*/, '');
  }
}

export interface Visit {
  readonly lethe: LethePage;
  readonly page: Page;
  readonly first: Widget;
  readonly second: Widget;
  /** Paths that were asked for, by page and workers, with the range where one was. */
  readonly asked: string[];
  /** Events as they came: `first lethe-open`. */
  events(): Promise<string[]>;
}

export interface VisitOptions {
  readonly viewport?: typeof DESKTOP;
  readonly colorScheme?: 'light' | 'dark';
  /** Where the page has its script from, in the place of its own server. */
  readonly scripts?: string;
}

/** @param url of the server with the fixture page */
export async function visitWidgets(browser: Browser, url: string, options: VisitOptions): Promise<Visit> {
  const { viewport = DESKTOP, colorScheme = 'light', scripts } = options;
  const context = await browser.newContext({ viewport, colorScheme });
  const asked: string[] = [];
  context.on('request', (request) => {
    const { range } = request.headers();
    asked.push(new URL(request.url()).pathname + (range ? ` ${range}` : ''));
  });
  const nothing = { contentType: 'text/javascript', body: '' };
  if (scripts !== undefined) await context.route(`${url}dist/**`, (route) => route.fulfill(nothing));
  const page = await context.newPage();
  const lethe = new LethePage(context, page);
  await page.addInitScript(() => {
    const events: string[] = [];
    Object.assign(window, { events });
    for (const name of ['open', 'close', 'ready', 'message', 'error']) {
      document.addEventListener(`lethe-${name}`, (event) => {
        const { target, detail } = event as CustomEvent;
        const words = detail?.content ?? detail?.message ?? detail?.info?.modelName ?? '';
        events.push(`${(target as Element).id} ${name} ${words}`.trim());
      });
    }
  });
  await page.goto(url);
  if (scripts !== undefined) await page.addScriptTag({ url: `${scripts}element.js`, type: 'module' });
  const first = new Widget(page, 'first');
  const second = new Widget(page, 'second');
  await first.launcher.waitFor();
  await second.launcher.waitFor();
  const events = (): Promise<string[]> => page.evaluate(() => Reflect.get(window, 'events') as string[]);
  return { lethe, page, first, second, asked, events };
}
