import { expect, test } from 'vitest';
import { Conversation } from './conversation.ts';

/** One token a character, two for `th`, so that a boundary inside a word shows. */
function encode(text: string): number[] {
  const ids: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text.startsWith('th', i)) {
      ids.push(1000);
      i++;
    } else ids.push(text.charCodeAt(i));
  }
  return ids;
}

test('a chat that grew is read from where it grew', () => {
  const talk = new Conversation(encode);
  const first = talk.plan('<u>hi<a>');
  expect(first).toEqual({ rendered: '<u>hi<a>', reset: true, cached: 0, rest: encode('<u>hi<a>') });
  talk.clear();
  talk.read(first);
  for (const id of encode('yes')) talk.addToken(id);
  talk.addText('yes');
  const second = talk.plan('<u>hi<a>yes<e><u>more<a>');
  expect(second.reset).toBe(false);
  expect(second.cached).toBe(11);
  expect(second.rest).toEqual(encode('<e><u>more<a>'));
});

test('another answer, a shorter chat and the same chat again are read anew', () => {
  const talk = new Conversation(encode);
  talk.read(talk.plan('<u>hi<a>'));
  expect(talk.plan('<u>hi<a>')).toMatchObject({ reset: false, cached: 8, rest: [] });
  talk.startAnswer();
  talk.addToken(121);
  talk.addText('y');
  for (const text of ['<u>hi<a>n<e>', '<u>hi<a>', '<u>hi<a>y', '']) {
    const plan = talk.plan(text);
    expect(plan).toEqual({ rendered: text, reset: true, cached: 0, rest: encode(text) });
  }
});

test('after a reading given up halfway the tokens decide', () => {
  const talk = new Conversation(encode);
  const plan = talk.plan('ab th cd');
  talk.readPartly(plan, 4);
  expect(talk.length).toBe(4);
  expect(talk.plan('ab th ef').rest).toEqual(encode(' ef'));
  expect(talk.plan('ab th ef').cached).toBe(4);
  // The fourth token is `th`: a text that has another token there shares only a part.
  expect(talk.plan('ab t cd').reset).toBe(true);
  const more = talk.plan('ab th ef');
  talk.read(more);
  expect(talk.plan('ab th efg').rest).toEqual(encode('g'));
});

test('a reading given up before its first chunk changes nothing, even with a token that waits to be fed', () => {
  const talk = new Conversation(encode);
  talk.read(talk.plan('ab'));
  talk.addToken(99);
  talk.addText('c');
  // The session counts two tokens: the third was chosen and not yet fed.
  talk.readPartly(talk.plan('abcdef'), 2);
  expect(talk.plan('abcdef')).toMatchObject({ reset: false, cached: 3, rest: encode('def') });
});
