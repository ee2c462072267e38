/** The widget's options as a page may write them, rightly and wrongly. */
import { expect, test } from 'vitest';
import { checkOptions, parseOptions, readOptions, WidgetOptionError } from './widget_options.ts';

const PAGE = 'https://example.org/about/';

test('addresses are relative to the page, and what is not given is the default', () => {
  const read = readOptions({ model: '../models/mine/', context: 512, maxTokens: 9, policy: 'dense' }, PAGE);
  expect(read).toMatchObject({ model: 'https://example.org/models/mine/', server: null, context: 512 });
  expect(read.settings).toMatchObject({ maxTokens: 9, policy: 'dense', systemPrompt: '', temperature: null });
});

test('with a server the model is a name there, and may be left out', () => {
  const read = readOptions({ baseURL: '/v1', apiKey: 'sesame', model: 'river' }, PAGE);
  expect(read.server).toEqual({ baseURL: 'https://example.org/v1', apiKey: 'sesame', model: 'river' });
  expect(readOptions({ baseURL: '/v1' }, PAGE).server).toEqual({ baseURL: 'https://example.org/v1' });
});

/** What is told of options, as `message / remedy`. */
function told(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof WidgetOptionError) return `${error.message} / ${error.remedy}`;
    throw error;
  }
  return 'nothing';
}

test.each([
  [() => readOptions({}, PAGE), /^No model was named\. \/ Set the attribute model/],
  [() => readOptions({ model: ' ' }, PAGE), /^No model was named/],
  [() => readOptions({ model: 'http://' }, PAGE), /^The option model is "http:\/\/", no address\. \/ Give one/],
  [() => parseOptions('{"model": '), /^The options are not JSON: .* \/ Correct the script inside <lethe-chat>\.$/],
  [() => parseOptions('[]'), /^The options are \[\]\. \/ Give an object/],
  [() => checkOptions({ modle: '/m/' }), /^There is no option "modle"\. \/ Options are model, /],
  [() => checkOptions({ policy: 'all' }), /^The option policy is "all"\. \/ Give one of dms, dense, window\.$/],
  [() => checkOptions({ context: 1.5 }), /^The option context is 1\.5\. \/ Give a whole number of tokens above 0\.$/],
  [() => checkOptions({ context: 'long' }), /^The option context is "long"\./],
  [() => checkOptions({ open: 'yes' }), /^The option open is "yes"\. \/ Give true or false\.$/],
  [() => checkOptions({ maxTokens: 0 }), /^The option maxTokens is 0\. \/ Give a whole number from 1 to 100000\.$/],
  [() => checkOptions({ strings: { sned: 'x' } }), /^There is no string "sned"\. \/ Strings are /],
  [() => checkOptions({ strings: { send: 1 } }), /^The string send is 1\. \/ Give a text\.$/],
  [() => checkOptions({ strings: { faults: { network: { why: 'x' } } } }), /^nothing$/],
  [() => checkOptions({ strings: { faults: { network: 'x' } } }), /^The string faults is .* \/ Give an object/],
  [
    () => checkOptions({ strings: { faults: { network: { title: 1 } } } }),
    /^The string faults is .* \/ Give an object/,
  ],
])('%s', (act, words) => {
  expect(told(act)).toMatch(words);
});
