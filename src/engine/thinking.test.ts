import { describe, expect, test } from 'vitest';
import { createRng } from '../util/rng.ts';
import { ThoughtSplitter } from './thinking.ts';

function part(pieces: readonly string[], open = false) {
  const splitter = new ThoughtSplitter(open);
  const parted = [...pieces.map((piece) => splitter.push(piece)), splitter.flush()];
  return {
    thought: parted.map(({ thought }) => thought).join(''),
    text: parted.map(({ text }) => text).join(''),
    parted,
  };
}

const CASES: readonly {
  readonly raw: string;
  readonly open?: boolean;
  readonly thought: string;
  readonly text: string;
}[] = [
  { raw: 'Hello.', thought: '', text: 'Hello.' },
  { raw: '  Hello <b>', thought: '', text: '  Hello <b>' },
  { raw: '<think>\nOne.\n\nTwo.\n</think>\n\nThree.\n', thought: 'One.\n\nTwo.', text: 'Three.\n' },
  { raw: '\n<think>a < b </thin </think>c', thought: 'a < b </thin', text: 'c' },
  { raw: '<think>\n\n</think>\n\nAt once.', thought: '', text: 'At once.' },
  { raw: 'a <think>b</think> c', thought: '', text: 'a <think>b</think> c' },
  { raw: '<think>a</think>b <think>c</think>', thought: 'a', text: 'b <think>c</think>' },
  { raw: '<thinking>no</thinking>', thought: '', text: '<thinking>no</thinking>' },
  { raw: '<think>cut off in the mi', thought: 'cut off in the mi', text: '' },
  { raw: '<think>cut in the tag</thi', thought: 'cut in the tag</thi', text: '' },
  { raw: '<thi', thought: '', text: '<thi' },
  { raw: '\nSo it is.\n</think>\nYes 🫠', open: true, thought: 'So it is.', text: 'Yes 🫠' },
  { raw: '', open: true, thought: '', text: '' },
];

describe('a thought', () => {
  test.each(CASES)('$raw', ({ raw, open, thought, text }) => {
    expect(part([raw], open)).toMatchObject({ thought, text });
    expect(part([...raw], open)).toMatchObject({ thought, text });
  });

  test('does not depend on how the text is cut, and no piece shows a part of a tag', () => {
    const rng = createRng(3);
    for (let i = 0; i < 2000; i++) {
      const { raw, open, thought, text } = CASES[i % CASES.length];
      const pieces: string[] = [];
      for (let at = 0; at < raw.length; ) {
        const size = 1 + Math.floor(rng() * 9);
        pieces.push(raw.slice(at, at + size));
        at += size;
      }
      expect(part(pieces, open)).toMatchObject({ thought, text });
    }
  });

  test('is shown as it comes: only what may become a tag waits', () => {
    const splitter = new ThoughtSplitter(false);
    expect(splitter.push('<thi')).toEqual({ thought: '', text: '' });
    expect(splitter.push('nk>\nOne')).toEqual({ thought: 'One', text: '' });
    expect(splitter.push(' and </th')).toEqual({ thought: ' and', text: '' });
    expect(splitter.push('ink> x')).toEqual({ thought: '', text: 'x' });
  });
});
