/** A model at a server in the place of one here: the page asks a server of this machine in OpenAI's protocol. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LethePage, openSite, PHONE, type Site } from './browser.ts';

const WORDS = ['Rivers ', 'forget ', 'nothing; ', 'they ', 'carry ', 'it ', 'on.'];

let api: Server;
let address: string;
let keys: (string | undefined)[];
let site: Site;
let lethe: LethePage;

beforeAll(async () => {
  keys = [];
  api = createServer((request, response) => {
    const cors = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' };
    if (request.method === 'OPTIONS') return void response.writeHead(204, cors).end();
    const { authorization } = request.headers;
    keys.push(authorization);
    if (authorization !== 'Bearer sesame') {
      const body = JSON.stringify({ error: { message: 'the key is wrong' } });
      return void response.writeHead(401, { ...cors, 'content-type': 'application/json' }).end(body);
    }
    if (request.url === '/v1/models') {
      const body = JSON.stringify({ data: [{ id: 'river-70b', max_model_len: 8192 }] });
      return void response.writeHead(200, { ...cors, 'content-type': 'application/json' }).end(body);
    }
    response.writeHead(200, { ...cors, 'content-type': 'text/event-stream' });
    for (const [index, content] of WORDS.entries()) {
      const finish_reason = index === WORDS.length - 1 ? 'stop' : null;
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`);
    }
    const usage = { prompt_tokens: 20, completion_tokens: WORDS.length, total_tokens: 20 + WORDS.length };
    response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(api.address() as AddressInfo).port}/v1`;
  site = await openSite();
  lethe = await site.visit();
});
afterAll(async () => {
  await lethe.close();
  await site.close();
  api.closeAllConnections();
  api.close();
});

async function connect(key: string): Promise<void> {
  await lethe.page.locator('header button.chip').click();
  const form = lethe.page.locator('lethe-server');
  await form.getByLabel('Address').fill(address);
  await form.getByLabel('Key').fill(key);
  await form.getByRole('button', { name: 'Connect' }).click();
}

test('a server that refuses is a card with its words, and the way back stays open', async () => {
  await lethe.untilState('ready');
  await connect('wrong');
  await lethe.untilState('stopped');
  expect(await lethe.card('fault').innerText()).toContain('The server did not answer as it should');
  expect(await lethe.card('fault').locator('code').textContent()).toContain('the key is wrong. Check the API key.');
});

test('a server answers, and the panel says where the memory is', async () => {
  await connect('sesame');
  await lethe.untilState('ready');
  expect(await lethe.page.locator('header button.chip').innerText()).toMatch(/river-70b\s+at a server/);
  expect(await lethe.ask('What does the river forget?')).toContain(WORDS.join(''));
  expect(await lethe.value('note').innerText()).toMatch(/^7 tokens/);
  expect(await lethe.value('elsewhere').innerText()).toContain(new URL(address).host);
  expect(keys.at(-1)).toBe('Bearer sesame');
  await lethe.screenshot('server-desktop');
  await lethe.page.setViewportSize(PHONE);
  await lethe.page.locator('header button.chip').click();
  await lethe.page.locator('lethe-server').scrollIntoViewIfNeeded();
  await lethe.screenshot('server-phone');
  expect(await lethe.seriousFindings()).toEqual([]);
  await lethe.page.keyboard.press('Escape');
});

test('a reload asks the same server, and another model leaves it', async () => {
  await lethe.page.goto(site.url);
  await lethe.untilState('ready');
  expect(await lethe.page.locator('header button.chip').innerText()).toContain('river-70b');
  expect(lethe.errors.filter((words) => !words.includes('401'))).toEqual([]);
});
