import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openModel } from '../formats/model_folder.ts';
import { nodeFileSet } from '../store/node_files.ts';
import { chatTemplateOf, renderChat, stopTokenIds, type TemplateMessage } from './chat_template.ts';
import { tokenizerFromGguf } from './gguf_tokenizer.ts';
import { createTokenizer } from './tokenizer.ts';

const root = new URL('../../', import.meta.url);
const shared = new URL(`${process.env.LETHE_SHARED ?? '../shared'}/`, root);
const json = (path: string): unknown => JSON.parse(readFileSync(new URL(path, shared), 'utf8'));
const model = await openModel(nodeFileSet(new URL('public/models/smollm2-135m-instruct', root).pathname));
const { tokenizerJson, tokenizerConfig } = tokenizerFromGguf(model.checkpoint.metadata);
const template = chatTemplateOf(tokenizerConfig) ?? '';
const options = { addGenerationPrompt: true, bosToken: null, eosToken: null };

describe('the default model', () => {
  it('gives the golden texts of all golden messages', () => {
    const prompts = json('golden/prompts.json') as readonly { id: string; messages?: readonly TemplateMessage[] }[];
    const golden = json('golden/golden.json') as { readonly prompts: readonly { id: string; text: string }[] };
    const texts = new Map(golden.prompts.map(({ id, text }) => [id, text]));
    const chats = prompts.flatMap(({ id, messages }) => (messages ? [{ id, messages }] : []));
    expect(chats.length).toBeGreaterThan(5);
    for (const { id, messages } of chats) expect(renderChat(template, messages, options), id).toBe(texts.get(id));
  });

  it('extends a chat: the prompt of a turn begins with the one before it', () => {
    const user = { role: 'user', content: 'Hi' };
    const first = renderChat(template, [user], options);
    const turns = [user, { role: 'assistant', content: 'Hello.' }, { role: 'user', content: 'And now?' }];
    expect(renderChat(template, turns, options).startsWith(`${first}Hello.<|im_end|>\n`)).toBe(true);
  });

  it('stops at the end of a turn and at the end of the text', () => {
    expect(stopTokenIds(createTokenizer(tokenizerJson, tokenizerConfig))).toEqual([0, 2]);
  });
});

describe('Qwen3', () => {
  const config = json('tokenizers/qwen3/tokenizer_config.json');
  it('renders a system message, turns and tools', () => {
    const qwen = chatTemplateOf(config) ?? '';
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ];
    expect(renderChat(qwen, messages, options)).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    const tools = [{ type: 'function', function: { name: 'weather', parameters: {} } }];
    expect(renderChat(qwen, messages, { ...options, tools })).toContain(
      '{"type": "function", "function": {"name": "weather"',
    );
  });
  it('stops at <|im_end|> and <|endoftext|>', () => {
    const tokenizer = createTokenizer(json('tokenizers/qwen3/tokenizer.json'), config);
    expect(stopTokenIds(tokenizer)).toEqual([151643, 151645]);
  });
});

describe('templates', () => {
  it('are found as a text or in a list, or not at all', () => {
    const named = [
      { name: 'tool_use', template: 'a' },
      { name: 'default', template: 'b' },
    ];
    expect(chatTemplateOf({ chat_template: 'x' })).toBe('x');
    expect(chatTemplateOf({ chat_template: named })).toBe('b');
    expect(chatTemplateOf({ chat_template: [null] })).toBeNull();
    expect(chatTemplateOf({})).toBeNull();
    expect(chatTemplateOf(null)).toBeNull();
  });
  it('may refuse the messages in their own words', () => {
    expect(() => renderChat("{{ raise_exception('roles must alternate') }}", [], options)).toThrow(
      /chat template refused the messages: .*roles must alternate/,
    );
    expect(() => renderChat('{% if %}', [], options)).toThrow(/chat template refused/);
  });
  it('get the special tokens', () => {
    const text = renderChat('{{ bos_token }}|{{ eos_token }}', [], { ...options, bosToken: '<s>' });
    expect(text).toBe('<s>|');
  });
});
