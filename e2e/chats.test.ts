/** Chats in the whole page with the micro model: their branches, and what a keyboard and a screen reader find there. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LethePage, openSite, type Site } from './browser.ts';

/** Warm, so that an answer asked for again is another one; the micro model's words mean nothing. */
const SETTINGS = { temperature: 1.2, maxTokens: 16 };

let site: Site;
let lethe: LethePage;

/** One visit serves all tests: a software adapter takes a while to compile the kernels. */
beforeAll(async () => {
  site = await openSite();
  lethe = await site.visit({ settings: SETTINGS });
  await lethe.untilState('ready');
});
afterAll(async () => {
  expect(lethe.errors).toEqual([]);
  await lethe.close();
  await site.close();
});

test('an edited message and an answer asked for again are branches that one can go back to', async () => {
  const first = await lethe.ask('What does the river forget?');
  await lethe.ask('And what does it keep?');
  const turn = (index: number) => lethe.page.locator('lethe-turn').nth(index);
  const again = turn(3).getByRole('button', { name: 'Regenerate' });
  const before = await lethe.answers.nth(1).innerText();
  await again.focus();
  await lethe.page.keyboard.press('Enter');
  const version = turn(3).locator('[data-field=version]');
  await version.filter({ hasText: '2 of 2' }).waitFor();
  await lethe.untilState('ready');
  expect(await lethe.answers.nth(1).innerText()).not.toBe(before);
  // The focus stayed where the reader had it.
  expect(await again.evaluate((button) => button.matches(':focus'))).toBe(true);
  await turn(3).getByRole('button', { name: 'Previous version' }).click();
  await expect.poll(() => version.innerText()).toBe('1 of 2');
  expect(await lethe.answers.nth(1).innerText()).toBe(before);

  await turn(0).hover();
  await turn(0).getByRole('button', { name: 'Edit' }).click();
  expect(await lethe.field.inputValue()).toBe('What does the river forget?');
  expect(await lethe.value('editing').innerText()).toContain('stays, as another version');
  await lethe.send('What does the sea forget?');
  await expect.poll(() => lethe.questions.allInnerTexts()).toEqual(['What does the sea forget?']);
  await lethe.untilState('ready');
  await turn(0).getByRole('button', { name: 'Previous version' }).focus();
  await lethe.page.keyboard.press('Enter');
  await expect
    .poll(() => lethe.questions.allInnerTexts())
    .toEqual(['What does the river forget?', 'And what does it keep?']);
  expect(await lethe.answers.first().innerText()).toBe(first);
  const back = turn(0).getByRole('button', { name: 'Previous version' });
  expect(await back.evaluate((button) => button.matches(':focus'))).toBe(true);
  expect(await back.getAttribute('aria-disabled')).toBe('true');
  await lethe.ask('So?');
  expect(await lethe.questions.count()).toBe(3);
});

test('a turn is copied whole', async () => {
  await lethe.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const copy = lethe.page.locator('lethe-turn').first().getByRole('button', { name: 'Copy message' });
  await copy.click();
  await lethe.button('Copied').waitFor();
  expect(await lethe.page.evaluate(() => navigator.clipboard.readText())).toBe('What does the river forget?');
});

test('a chat with branches has no serious finding, and its pictures are taken', async () => {
  await lethe.pictures('chats_branches');
  expect(await lethe.seriousFindings()).toEqual([]);
});

/** Titles in the open list, from the top. */
function titles(): Promise<string[]> {
  return lethe.page.locator('lethe-chats .title').filter({ visible: true }).allInnerTexts();
}

function inList(name: string | RegExp) {
  return lethe.page.getByRole('dialog', { name: 'Chats' }).getByRole('button', { name });
}

/** Presses a button of the list and reads what it downloads. */
async function download(name: string | RegExp): Promise<{ name: string; text: string }> {
  const [file] = await Promise.all([lethe.page.waitForEvent('download'), inList(name).click()]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
}

async function importChats(text: string): Promise<void> {
  const buffer = Buffer.from(text);
  const files = lethe.page.locator('lethe-chats input[type=file]');
  await files.setInputFiles({ name: 'chats.json', mimeType: 'application/json', buffer });
}

test('chats are kept, renamed, searched, deleted and brought back', async () => {
  await lethe.button('New chat').click();
  await lethe.ask('Where do reeds grow?');
  await lethe.button('Chats').click();
  await expect.poll(titles).toEqual(['Where do reeds grow?', 'What does the river forget?']);

  await inList('Rename Where do reeds grow?').click();
  await lethe.page.keyboard.type('Reeds and banks');
  await lethe.page.keyboard.press('Escape');
  expect(await titles()).toEqual(['Where do reeds grow?', 'What does the river forget?']);
  await inList('Rename Where do reeds grow?').click();
  await lethe.page.keyboard.type('Reeds and banks');
  await lethe.page.keyboard.press('Enter');
  await expect.poll(titles).toEqual(['Reeds and banks', 'What does the river forget?']);

  const search = lethe.page.getByLabel('Search chats');
  // A branch that is not shown is searched too.
  await search.fill('the SEA');
  await expect.poll(titles).toEqual(['What does the river forget?']);
  expect(await lethe.value('found').textContent()).toContain('1 of 2 chats found');
  await search.fill('banks');
  await expect.poll(titles).toEqual(['Reeds and banks']);
  await search.fill('');

  await inList('Delete What does the river forget?').click();
  await expect.poll(titles).toEqual(['Reeds and banks', 'Deleted “What does the river forget?”.']);
  expect(await inList('Undo').evaluate((button) => button.matches(':focus'))).toBe(true);
  await lethe.page.keyboard.press('Enter');
  await expect.poll(titles).toEqual(['Reeds and banks', 'What does the river forget?']);
  await lethe.pictures('chats_list');
  expect(await lethe.seriousFindings()).toEqual([]);
  await inList('Close').click();
});

test('chats leave as a file and come back as they were', async () => {
  await lethe.button('Chats').click();
  const before = await download('Export all');
  expect(JSON.parse(before.text).chats).toHaveLength(2);
  const markdown = await download('Export Reeds and banks as Markdown');
  expect(markdown.name).toBe('Reeds and banks.md');
  expect(markdown.text).toMatch(/^# Reeds and banks\n\n## You\n\nWhere do reeds grow\?\n\n## Answer\n\n/);
  await inList('Delete Reeds and banks').click();
  await inList('Delete What does the river forget?').click();
  await lethe.page.getByText('No chats yet').waitFor();
  expect(await lethe.questions.count()).toBe(0);
  const damaged = JSON.stringify({ ...JSON.parse(before.text), chats: [...JSON.parse(before.text).chats, {}] });
  await importChats(damaged);
  await lethe.page.getByText('2 chats imported. 1 chat cannot be read and was left out.').waitFor();
  expect((await download('Export all')).text).toBe(before.text);
  await importChats(before.text);
  await lethe.page.getByText('0 chats imported. 2 chats were here already.').waitFor();
  await importChats('{}');
  await lethe.page.getByText('This file holds no chats of Lethe').waitFor();
  await inList('Close').click();
});

test('a reload finds the chats, and says which are damaged', async () => {
  await lethe.page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('lethe-chats');
        opening.onsuccess = () => {
          const writing = opening.result.transaction('chats', 'readwrite');
          writing.objectStore('chats').put({ id: 'broken', turns: 'none' }, 'broken');
          writing.oncomplete = () => resolve();
          writing.onerror = () => reject(writing.error);
        };
      }),
  );
  await lethe.page.reload();
  await lethe.button('Chats').click();
  await expect.poll(titles).toEqual(['Reeds and banks', 'What does the river forget?']);
  expect(await lethe.value('chats-say').innerText()).toBe('1 chat cannot be read and was left out.');
  await inList(/^What does the river forget/).click();
  await expect.poll(() => lethe.questions.count()).toBe(3);
  expect(await lethe.questions.nth(1).innerText()).toBe('And what does it keep?');
  const version = lethe.page.locator('lethe-turn').first().locator('[data-field=version]');
  expect(await version.innerText()).toBe('1 of 2');
  await lethe.untilState('ready');
  // To open a chat changes neither its title nor its place.
  await lethe.button('Chats').click();
  await inList(/^Reeds and banks/).click();
  await expect.poll(() => lethe.questions.allInnerTexts()).toEqual(['Where do reeds grow?']);
  await lethe.button('Chats').click();
  await expect.poll(titles).toEqual(['Reeds and banks', 'What does the river forget?']);
  await inList('Close').click();
});

/** Tokens that were read for an answer, and tokens that were remembered. */
async function reading(index: number): Promise<number[]> {
  const words = await lethe.value('note').nth(index).getAttribute('title');
  return [...(words ?? '').matchAll(/\d[\d,]*/g)].map(([figure]) => Number(figure.replaceAll(',', '')));
}

/** Names of the files in the folder where memories are kept. */
async function savedMemories(): Promise<string[]> {
  return lethe.page.evaluate(async () => {
    const found: string[] = [];
    const walk = async (folder: FileSystemDirectoryHandle): Promise<void> => {
      for await (const [name, entry] of folder.entries()) {
        if (entry.kind === 'directory') await walk(entry as FileSystemDirectoryHandle);
        else if (name.includes('page-chat-')) found.push(name);
      }
    };
    await walk(await navigator.storage.getDirectory());
    return found;
  });
}

test('a chat that is opened again is remembered, not read', async () => {
  // Greedy: sampled warm, the micro model writes halves of characters, whose text does not lead back to its tokens.
  await lethe.button('Settings').click();
  await lethe.page.getByLabel('Temperature').fill('0');
  await lethe.button('Save').click();
  await lethe.button('New chat').click();
  await lethe.ask('word '.repeat(300));
  expect((await reading(0))[1]).toBe(0);
  await lethe.ask('And?');
  const ended = await Promise.all(['tokens', 'held', 'dense'].map((name) => lethe.value(name).innerText()));
  // Leaving saves it; another chat takes its place in the engine.
  await lethe.button('New chat').click();
  await lethe.ask('What else?');
  await expect.poll(async () => (await savedMemories()).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
  await lethe.page.reload();
  await lethe.untilState('ready');
  await lethe.button('Chats').click();
  await inList(/^word word/).click();
  await lethe.untilState('ready');
  await expect.poll(() => lethe.number('tokens'), { timeout: 10_000 }).toBeGreaterThan(300);
  const seen = await lethe.number('tokens');
  // The timeline knows what the memory was when each answer ended: its line begins at zero and goes through them.
  const timeline = lethe.page.locator('lethe-timeline');
  expect(await timeline.locator('line.mark').count()).toBe(2);
  expect((await timeline.locator('path.live').first().getAttribute('d'))?.match(/[ML]/g)).toHaveLength(3);
  await timeline.locator('summary').click();
  expect(await timeline.locator('tbody tr').last().locator('th, td').allInnerTexts()).toEqual(['2', ...ended]);
  await lethe.ask('And so?');
  const [read, remembered] = await reading(2);
  expect(remembered).toBeGreaterThanOrEqual(seen);
  expect(read).toBeLessThan(40);
});

test('a memory that does not fit the policy gives way, and the chat is read anew', async () => {
  await lethe.page.getByRole('radio', { name: /^Dense/ }).check();
  await lethe.ask('And then?');
  await lethe.button('Chats').click();
  await inList(/^What else/).click();
  await lethe.untilState('ready');
  await expect.poll(() => lethe.number('tokens'), { timeout: 10_000 }).toBe(0);
  await lethe.ask('Go on.');
  const [read, remembered] = await reading(1);
  expect(remembered).toBe(0);
  expect(read).toBeGreaterThan(40);
  await lethe.page.getByRole('radio', { name: /^DMS/ }).check();
});

test('a deleted chat takes its memory along', async () => {
  await lethe.button('Chats').click();
  await inList(/^Delete word word/).click();
  const before = await savedMemories();
  await inList('Close').click();
  await expect.poll(async () => (await savedMemories()).length, { timeout: 10_000 }).toBeLessThan(before.length);
});

test('a thought is folded, and opens by keyboard', async () => {
  const turns = [
    { id: 11, parent: null, role: 'user', text: 'How many reeds?' },
    {
      ...{ id: 12, parent: 11, role: 'assistant', text: 'About **forty**.', note: '9 tokens' },
      thought: { text: 'Four rows of ten.\n\nMaybe one is hidden.', seconds: 7 },
    },
  ];
  const chat = { id: 'thought', title: 'How many reeds?', created: 1, updated: 1, turns, leaf: 12 };
  await lethe.button('Chats').click();
  await importChats(JSON.stringify({ format: 'lethe-chats', version: 1, chats: [chat] }));
  await inList(/^How many reeds/).click();
  const summary = lethe.page.getByText('Thought for 7 s');
  const words = lethe.page.getByText('Four rows of ten.');
  await summary.waitFor();
  expect(await words.isVisible()).toBe(false);
  expect(await lethe.answers.last().innerText()).not.toContain('rows');
  await summary.focus();
  await lethe.page.keyboard.press('Enter');
  await words.waitFor();
  await lethe.pictures('chats_thought');
  expect(await lethe.seriousFindings()).toEqual([]);
});

test('a message for which there is no room is told of before it is sent, and one that leaves little', async () => {
  await lethe.startAnew();
  const warning = lethe.page.locator('[data-field=too-long]');
  const context = 2048;
  // A word of this vocabulary is a token and its space another, so that this is surely too much.
  await lethe.field.fill('river '.repeat(context));
  await warning.waitFor();
  expect(await warning.innerText()).toMatch(
    /^Too long: the conversation would have [\d,]+ tokens, and [\d,]+ is the most/,
  );
  const [tokens, most] = ((await warning.innerText()).match(/\d[\d,]*/g) ?? []).map((n) =>
    Number(n.replaceAll(',', '')),
  );
  expect(tokens).toBeGreaterThan(most);
  // What is counted is what the engine would count: as many words as leave 30 tokens are told of in the other way.
  await lethe.field.fill('river');
  await warning.waitFor({ state: 'detached' });
  const perWord = tokens / context;
  await lethe.field.fill('river '.repeat(Math.floor((most - 30) / perWord)));
  await warning.waitFor();
  expect(await warning.innerText()).toMatch(/^This leaves \d+ tokens for the answer/);
  await lethe.field.fill('');
  await warning.waitFor({ state: 'detached' });
});
