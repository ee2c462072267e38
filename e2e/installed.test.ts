/** The page as an installed program: it may be installed, starts and answers without a network, and offers updates. */
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../scripts/build.mjs';
import { serve } from '../scripts/serve.mjs';
import { LethePage, MICRO, openSite, type Site } from './browser.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

async function untilServiceWorker(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
}

interface Icon {
  readonly src: string;
  readonly sizes: string;
  readonly type: string;
  readonly purpose?: string;
}

test('it meets what a browser asks of a page that can be installed', async () => {
  const lethe = await site.visit({ model: '/fixtures/absent/' });
  await untilServiceWorker(lethe.page);
  const client = await lethe.context.newCDPSession(lethe.page);
  const { installabilityErrors } = await client.send('Page.getInstallabilityErrors');
  // The contexts of these tests are private windows, where nothing is ever installed.
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
  const { errors, data } = await client.send('Page.getAppManifest');
  expect(errors).toEqual([]);
  const manifest = JSON.parse(data ?? '{}') as { readonly icons: readonly Icon[] };
  for (const purpose of [undefined, 'maskable']) {
    expect(manifest.icons.some((icon) => icon.sizes === '512x512' && icon.purpose === purpose)).toBe(true);
  }
  for (const { src, sizes } of manifest.icons.filter(({ type }) => type === 'image/png')) {
    const size = await lethe.page.evaluate(async (address) => {
      const image = await createImageBitmap(await (await fetch(address)).blob());
      return `${image.width}x${image.height}`;
    }, src);
    expect(size).toBe(sizes);
  }
  await lethe.close();
});

test('without a network it starts, loads the model and answers', async () => {
  const lethe = await site.visit({ settings: { maxTokens: 4 } });
  await lethe.untilState('ready');
  await untilServiceWorker(lethe.page);
  await lethe.context.setOffline(true);
  await lethe.page.reload();
  await lethe.untilState('ready');
  await lethe.page.getByText('offline', { exact: true }).waitFor();
  expect(await lethe.ask('Hello')).not.toBe('');
  await lethe.screenshot('offline-desktop-light');
  await lethe.close();
});

test('what another program shares waits in the field', async () => {
  const lethe = await site.visit({ model: '/fixtures/absent/' });
  await lethe.page.goto(`${site.url}?model=/fixtures/absent/&title=A%20title&text=Some%20words`);
  await expect.poll(() => lethe.field.inputValue()).toBe('A title\nSome words');
  await lethe.close();
});

test('a newer version is offered, and comes by a reload', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-page-'));
  const dist = join(ROOT, 'dist', 'page');
  cpSync(dist, folder, { recursive: true, filter: (path) => !path.startsWith(join(dist, 'models')) });
  const server = await serve(folder, { extra: { '/fixtures/': join(ROOT, 'e2e', 'fixtures') } });
  try {
    const context = await site.browser.newContext();
    const lethe = new LethePage(context, await context.newPage());
    await lethe.page.goto(`${server.url}?model=${encodeURIComponent(MICRO)}`);
    await untilServiceWorker(lethe.page);
    await lethe.page.reload();
    expect(await lethe.value('update').count()).toBe(0);
    appendFileSync(join(folder, 'sw.js'), '\n// The next version.\n');
    await lethe.page.evaluate(async () => {
      await (await navigator.serviceWorker.ready).update();
    });
    await lethe.value('update').waitFor();
    await lethe.screenshot('update-desktop-light');
    const reloaded = lethe.page.waitForEvent('load');
    await lethe.button('Reload').click();
    await reloaded;
    await lethe.field.waitFor();
    expect(await lethe.value('update').count()).toBe(0);
    await context.close();
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});
