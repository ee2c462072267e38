/**
 * The built page in a real Chromium: starts the server and the browser, and knows the page's parts by the names that a
 * person or a screen reader knows. It fakes nothing of the page.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { source as axeSource } from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { ROOT } from '../scripts/build.mjs';
import { launchOptions } from '../scripts/chromium.mjs';
import { serve } from '../scripts/serve.mjs';
import { HUB_URL } from '../src/store/hub_address.ts';
import type { HubServer } from '../src/store/hub_server.ts';

/** The model of the tests: two layers of random weights, a window of 16 tokens. */
export const MICRO = '/fixtures/micro/';

/** Where pictures for people go. */
const SCREENSHOTS = join(ROOT, 'test-results');

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/** Milliseconds for the first kernels to compile on a software adapter. */
export const LOAD_TIMEOUT_MS = 90_000;

export interface VisitOptions {
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: 'light' | 'dark';
  /** Value of `?model=`; null leaves the default model. */
  readonly model?: string | null;
  /** Settings to find in the browser's storage. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Runs in the page before its own scripts. */
  readonly before?: () => void;
  /** Other servers, for a page that asks them. */
  readonly prepare?: (context: BrowserContext) => Promise<void>;
}

export interface Site {
  readonly url: string;
  readonly browser: Browser;
  /** A fresh context, as of a first visit. */
  visit(options?: VisitOptions): Promise<LethePage>;
  close(): Promise<void>;
}

/** Serves dist/page and starts Chromium; `gpu` false starts one that finds no adapter. */
export async function openSite({ gpu = true } = {}): Promise<Site> {
  const server = await serve(join(ROOT, 'dist', 'page'), { extra: { '/fixtures/': join(ROOT, 'e2e', 'fixtures') } });
  const { executablePath, args } = launchOptions();
  const kept = gpu ? args : args.filter((arg) => !/webgpu/.test(arg));
  const browser = await chromium.launch({ executablePath, args: kept });
  return {
    url: server.url,
    browser,
    visit: async (options = {}) => visit(browser, server.url, options),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

/** Leads what pages and workers ask of the hub to a server of this machine. */
export async function routeHub(context: BrowserContext, { url }: HubServer): Promise<void> {
  await context.route(`${HUB_URL}/**`, async (route) => {
    const { pathname, search } = new URL(route.request().url());
    await route.fulfill({ response: await route.fetch({ url: url + pathname + search }) });
  });
}

async function visit(browser: Browser, url: string, options: VisitOptions): Promise<LethePage> {
  const { viewport = DESKTOP, colorScheme = 'light', model = MICRO, settings, before, prepare } = options;
  const context = await browser.newContext({ viewport, colorScheme });
  await prepare?.(context);
  if (before) await context.addInitScript(before);
  if (settings) {
    const write = (text: string): void => {
      if (localStorage.getItem('lethe.settings') === null) localStorage.setItem('lethe.settings', text);
    };
    await context.addInitScript(write, JSON.stringify(settings));
  }
  const page = await context.newPage();
  const lethe = new LethePage(context, page);
  await page.goto(model === null ? url : `${url}?model=${encodeURIComponent(model)}`);
  return lethe;
}

/** One open page, by what is seen on it. */
export class LethePage {
  /** Errors of the page's scripts and of its console. */
  readonly errors: string[] = [];

  constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  get field(): Locator {
    return this.page.getByLabel('Message', { exact: true });
  }

  get answers(): Locator {
    return this.page.locator('lethe-turn[data-role=assistant] .answer');
  }

  get questions(): Locator {
    return this.page.locator('lethe-turn[data-role=user] .words');
  }

  /** A value of the page or the panel by its name. */
  value(name: string): Locator {
    return this.page.locator(`[data-field=${name}]`);
  }

  /** The number that a value begins with. */
  async number(name: string): Promise<number> {
    return Number.parseFloat((await this.value(name).innerText()).replaceAll(',', ''));
  }

  card(kind: 'loading' | 'cancelled' | 'consent' | 'fault'): Locator {
    return this.page.locator(`[data-card=${kind}]`);
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Waits for the word at the top: loading, ready, reading, writing. A card with a fault ends the wait at once. */
  async untilState(word: string, timeout = LOAD_TIMEOUT_MS): Promise<void> {
    const state = this.page.locator('[data-field=state]', { hasText: new RegExp(`^${word}$`) });
    const fault = this.card('fault');
    await state.or(fault).first().waitFor({ timeout });
    if (word !== 'stopped' && (await fault.isVisible())) {
      throw new Error(`waited for ${word}, and a card said: ${await fault.locator('code').textContent()}`);
    }
    await state.waitFor({ timeout });
  }

  async send(text: string): Promise<void> {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  /** Sends and waits until the answer is whole. */
  async ask(text: string): Promise<string> {
    const turns = await this.answers.count();
    await this.send(text);
    await this.answers.nth(turns).waitFor({ state: 'attached' });
    await this.untilState('ready');
    return this.answers.nth(turns).innerText();
  }

  /**
   * Begins to watch at how many different lengths the first answer is shown; call it before the message is sent, so
   * that an answer that is written fast is not missed.
   */
  async watchStream(): Promise<void> {
    await this.page.evaluate(() => {
      const deepFind = (root: Document | ShadowRoot | Element, selector: string): Element | null => {
        const here = root.querySelector(selector);
        if (here) return here;
        for (const element of root.querySelectorAll('*')) {
          const found = element.shadowRoot && deepFind(element.shadowRoot, selector);
          if (found) return found;
        }
        return null;
      };
      const lengths = new Set<number>();
      Object.assign(window, { streamedLengths: lengths });
      const look = (): void => {
        if (Reflect.get(window, 'streamedLengths') !== lengths) return;
        const turn = deepFind(document, 'lethe-turn[data-role=assistant]');
        const length = turn && deepFind(turn.shadowRoot ?? turn, '.answer')?.textContent?.length;
        if (length) lengths.add(length);
        requestAnimationFrame(look);
      };
      look();
    });
  }

  /** Waits until the watch has seen the answer at `count` different lengths: it streams. */
  async untilStreamed(count: number): Promise<void> {
    const enough = (count: number): boolean => {
      const lengths: unknown = Reflect.get(window, 'streamedLengths');
      return lengths instanceof Set && lengths.size >= count;
    };
    await this.page.waitForFunction(enough, count, { timeout: LOAD_TIMEOUT_MS });
    await this.page.evaluate(() => Reflect.deleteProperty(window, 'streamedLengths'));
  }

  /** Sets the longest answer in the dialog, as a person would; in tokens. */
  async setLongest(tokens: number): Promise<void> {
    await this.button('Settings').click();
    await this.page.getByLabel('Longest answer').fill(String(tokens));
    await this.button('Save').click();
  }

  /** Leaves the conversation for a new one. */
  async startAnew(): Promise<void> {
    if (await this.button('New chat').isEnabled()) await this.button('New chat').click();
    await this.untilState('ready');
    await this.answers.first().waitFor({ state: 'detached' });
    // The engine has forgotten too once the panel says so.
    await this.page.locator('[data-field=tokens]', { hasText: /^0$/ }).waitFor();
  }

  /** Tokens that each head holds, from the table; rows are layers. */
  async heldTokens(): Promise<number[][]> {
    const details = this.page.locator('lethe-heat-map details');
    const rowLocator = details.locator('tbody tr');
    // Opened anew, it shows what is held now; the rows come and go a moment after the click.
    if ((await rowLocator.count()) > 0) {
      await details.locator('summary').click();
      await rowLocator.first().waitFor({ state: 'detached' });
    }
    await details.locator('summary').click();
    await rowLocator.first().waitFor();
    const rows = await rowLocator.all();
    return Promise.all(
      rows.map(async (row) => (await row.locator('td').allInnerTexts()).map((text) => Number(text.replace(',', '')))),
    );
  }

  /** What the heat map's canvas shows. */
  async heatMapPixels(): Promise<string> {
    const canvas = this.page.locator('lethe-heat-map canvas');
    return canvas.evaluate((element) => (element instanceof HTMLCanvasElement ? element.toDataURL() : ''));
  }

  /** What axe finds serious or worse on the page, by rule and place. */
  async seriousFindings(): Promise<string[]> {
    await this.page.evaluate(axeSource);
    return this.page.evaluate(async () => {
      const axe = Reflect.get(window, 'axe') as typeof import('axe-core');
      const { violations } = await axe.run();
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      return serious.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ target, html }) => `${target} ${html}`).join('; ')}`,
      );
    });
  }

  async screenshot(name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }

  /** What is open now, light and dark; the page is left light. */
  async bothSchemes(name: string): Promise<void> {
    for (const colorScheme of ['light', 'dark'] as const) {
      await this.page.emulateMedia({ colorScheme });
      await this.screenshot(`${name}_${colorScheme}`);
    }
    await this.page.emulateMedia({ colorScheme: 'light' });
  }

  /** What is open now at both widths, light and dark; the page is left wide and light. */
  async pictures(name: string): Promise<void> {
    for (const [size, viewport] of [
      ['phone', PHONE],
      ['desktop', DESKTOP],
    ] as const) {
      await this.page.setViewportSize(viewport);
      await this.bothSchemes(`${name}_${size}`);
    }
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
