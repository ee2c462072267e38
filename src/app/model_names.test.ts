/** Names of kept models. */
import { expect, test } from 'vitest';
import { keptName } from './model_names.ts';

test.each([
  ['https://huggingface.co/Qwen/Qwen3-0.6B/resolve/main/', 'Qwen/Qwen3-0.6B'],
  ['https://huggingface.co/Qwen/Q-GGUF/resolve/main/q%20x.gguf', 'Qwen/Q-GGUF, q x.gguf'],
  ['https://page.example/models/smollm2/', 'smollm2'],
  ['https://far.example/models/m.gguf', 'm.gguf, far.example'],
  ['https://far.example/', 'far.example, far.example'],
])('%s is %s', (address, name) => {
  expect(keptName(address, 'https://page.example')).toBe(name);
});
