/** Records of chats: what is refused, what comes back as it left, what a search finds. */
import { expect, test } from 'vitest';
import {
  type ChatRecord,
  chatsFromJson,
  chatsToJson,
  chatToMarkdown,
  findIn,
  newestFirst,
  readRecord,
  storedTurns,
  titleOf,
  treeOf,
} from './chat_record.ts';
import { EMPTY_TREE, grown } from './turn_tree.ts';

const RECORD: ChatRecord = {
  id: 'one',
  title: 'Rivers',
  created: 1000,
  updated: 2000,
  turns: [
    { id: 1, parent: null, role: 'user', text: 'Why do rivers meander?\n"Zürich", 河 \u2028' },
    {
      id: 2,
      parent: 1,
      role: 'assistant',
      text: 'Because **water** is lazy.',
      thought: { text: 'Hm.', seconds: 3 },
      note: '5 tokens',
      memory: { tokens: 40, live: 1000, dense: 3000 },
    },
    { id: 3, parent: 1, role: 'assistant', text: 'They follow the valley that they made.', note: '' },
  ],
  leaf: 2,
};

test('chats come back from JSON exactly as they left', () => {
  const records = [RECORD, { ...RECORD, id: 'two', title: '' }];
  const text = chatsToJson(records);
  const read = chatsFromJson(text);
  expect(read).toEqual({ records, damaged: 0 });
  expect(chatsToJson(read.records)).toBe(text);
});

test('a tree comes back as it was kept, and an answer under way as broken off', () => {
  const tree = treeOf(RECORD);
  expect(storedTurns(tree)).toEqual(RECORD.turns);
  const writing = { id: 5, role: 'assistant', text: 'so f', activity: 'writing', note: 'writing, 2 tokens…' } as const;
  expect(storedTurns(grown(tree, 3, [writing])).at(-1)).toEqual({
    ...{ id: 5, parent: 3, role: 'assistant', text: 'so f', note: 'broken off' },
  });
});

const [question, answer] = RECORD.turns;

test.each<[string, unknown]>([
  ['nothing', null],
  ['a list', []],
  ['no id', { ...RECORD, id: '' }],
  ['a title that is no text', { ...RECORD, title: 5 }],
  ['a time that is none', { ...RECORD, updated: Number.NaN }],
  ['turns that are no list', { ...RECORD, turns: {} }],
  ['no turns', { ...RECORD, turns: [] }],
  ['a leaf that is not there', { ...RECORD, leaf: 9 }],
  ['a turn twice', { ...RECORD, turns: [question, question] }],
  ['a parent that comes later', { ...RECORD, turns: [{ ...question, parent: 2 }, answer] }],
  ['a turn without text', { ...RECORD, turns: [{ ...question, text: undefined }], leaf: 1 }],
  ['a role of another kind', { ...RECORD, turns: [{ ...question, role: 'system' }], leaf: 1 }],
  ['a thought that is none', { ...RECORD, turns: [question, { ...answer, thought: 'Hm.' }] }],
  ['a memory of no size', { ...RECORD, turns: [question, { ...answer, memory: { tokens: -1, live: 0, dense: 0 } }] }],
  ['an id that is no whole number', { ...RECORD, turns: [{ ...question, id: 1.5 }], leaf: 1.5 }],
])('a record with %s is refused', (_, value) => {
  expect(readRecord(value)).toBeNull();
  expect(readRecord(RECORD)).toEqual(RECORD);
});

test('a damaged chat of a file is left out and counted; another file is refused', () => {
  const text = chatsToJson([RECORD, { ...RECORD, leaf: 9 }]);
  expect(chatsFromJson(text)).toEqual({ records: [RECORD], damaged: 1 });
  expect(() => chatsFromJson('{')).toThrow('no JSON');
  expect(() => chatsFromJson('{"chats":[]}')).toThrow('no chats of Lethe');
  expect(() => chatsFromJson(text.replace('"version": 1', '"version": 2'))).toThrow('version 2');
});

test('a search looks into titles and into every branch', () => {
  expect(findIn(RECORD, 'RIVERS')).toBe('');
  expect(findIn(RECORD, ' lazy ')).toContain('lazy');
  expect(findIn(RECORD, 'valley')).toContain('valley that they made');
  expect(findIn(RECORD, 'zürich')).toBe('Why do rivers meander? "Zürich", 河');
  expect(findIn(RECORD, 'ocean')).toBeNull();
  const long = { ...RECORD, turns: [{ ...question, text: `${'a '.repeat(99)}needle${' b'.repeat(99)}` }] };
  expect(findIn(long, 'needle')).toMatch(/^…(a )+needle( b)+…$/);
});

test('a title is the first line of the first message, cut at a word', () => {
  const ask = (text: string) => grown(EMPTY_TREE, null, [{ id: 1, role: 'user', text }]);
  expect(titleOf(ask('  Why?\nTell me.'))).toBe('Why?');
  expect(titleOf(ask('word '.repeat(30)))).toBe(`${'word '.repeat(12).trim()}…`);
  expect(titleOf(ask('   '))).toBe('Chat');
});

test('Markdown holds the line that is shown', () => {
  expect(chatToMarkdown({ ...RECORD, leaf: 3 })).toBe(
    [
      '# Rivers\n\n## You\n\nWhy do rivers meander?\n"Zürich", 河\n\n',
      '## Answer\n\nThey follow the valley that they made.\n',
    ].join(''),
  );
});

test('the newest chat comes first, and equals always in one order', () => {
  const [a, b, c] = [RECORD, { ...RECORD, id: 'two', updated: 3000 }, { ...RECORD, id: 'three' }];
  expect(newestFirst([a, b, c]).map(({ id }) => id)).toEqual(['two', 'one', 'three']);
  expect(newestFirst([c, b, a]).map(({ id }) => id)).toEqual(['two', 'one', 'three']);
});
