import { expect, test } from 'vitest';
import { DEFAULT_SETTINGS, NUMBER_FIELDS, parseSettings, type Settings, samplingFields } from './settings.ts';

const SET: Settings = {
  systemPrompt: 'Be brief.',
  temperature: 0,
  topP: 0.9,
  topK: 40,
  minP: 0,
  repetitionPenalty: 1.1,
  maxTokens: 64,
  seed: 7,
  policy: 'dense',
  offsets: { 'https://example.org/m/': 6 },
};

test('what was stored comes back', () => {
  expect(parseSettings(JSON.stringify(SET))).toEqual(SET);
});

test.each([null, '', 'nonsense', '3', 'null', '[]'])('%s gives the defaults', (text) => {
  expect(parseSettings(text)).toEqual(DEFAULT_SETTINGS);
});

test('a value that does not fit is dropped, the others stay', () => {
  const stored = {
    ...SET,
    temperature: 9,
    topK: 1.5,
    seed: '7',
    policy: 'tova',
    systemPrompt: 4,
    offsets: { a: 'b', c: 2 },
  };
  expect(parseSettings(JSON.stringify(stored))).toEqual({
    ...SET,
    temperature: null,
    topK: null,
    seed: null,
    policy: null,
    offsets: { c: 2 },
    systemPrompt: '',
  });
});

test('every number reaches the request under its own name, and a default is left to the engine', () => {
  expect(samplingFields(DEFAULT_SETTINGS)).toEqual({});
  expect(samplingFields(SET)).toEqual({
    temperature: 0,
    top_p: 0.9,
    top_k: 40,
    min_p: 0,
    repetition_penalty: 1.1,
    max_tokens: 64,
    seed: 7,
  });
  expect(Object.keys(samplingFields(SET))).toHaveLength(NUMBER_FIELDS.length);
});
