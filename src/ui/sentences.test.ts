import { expect, test } from 'vitest';
import { lastSentenceEnd, speakable } from './sentences.ts';

function pieces(text: string): string[] {
  const found: string[] = [];
  let from = 0;
  for (let length = 1; length <= text.length; length++) {
    const end = lastSentenceEnd(text.slice(0, length), from);
    if (end > from) found.push(text.slice(from, end));
    from = end;
  }
  return found;
}

test('a growing text is cut at its sentences, never before the mark is followed by space', () => {
  expect(pieces('It is 3.5 m. Is it? “Yes!” he said. And')).toEqual([
    'It is 3.5 m.',
    ' Is it?',
    ' “Yes!”',
    ' he said.',
  ]);
});

test('line breaks and the marks of other scripts end a sentence too', () => {
  expect(pieces('- one\n- two\n')).toEqual(['- one\n', '- two\n']);
  expect(pieces('川は忘れる。そして')).toEqual(['川は忘れる。']);
});

test('Markdown is not read aloud', () => {
  expect(speakable('## A **bold** [link](https://example.org) with `code`')).toBe('A bold link with code');
  expect(speakable('```python')).toBe('');
});
