/** Prompts of the Prompt API as messages of a chat. They are data from outside: nothing is taken for granted. */
import type { ChatMessage } from '../engine/api.ts';

export interface Prompt {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly { readonly type: string; readonly value: unknown }[];
  /** True asks to go on with the words of the assistant, which is not supported. */
  readonly prefix?: boolean;
}

/** One text of the user, or messages. */
export type PromptInput = string | readonly Prompt[];

export function refuse(words: string): DOMException {
  return new DOMException(words, 'NotSupportedError');
}

/** Messages to begin a session with. @throws TypeError when a system prompt is not the first */
export function initialMessages(prompts: readonly Prompt[]): ChatMessage[] {
  const messages = prompts.map(messageOf);
  if (messages.slice(1).some(({ role }) => role === 'system')) {
    throw new TypeError('A system prompt must be the first of initialPrompts.');
  }
  return messages;
}

/** @throws TypeError for a system prompt or nothing at all, DOMException NotSupportedError for anything but text */
export function promptMessages(input: PromptInput): ChatMessage[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const messages = input.map(messageOf);
  if (messages.length === 0) throw new TypeError('The prompt is empty.');
  if (messages.some(({ role }) => role === 'system')) {
    throw new TypeError('A system prompt belongs to initialPrompts.');
  }
  return messages;
}

function messageOf({ role, content, prefix }: Prompt): ChatMessage {
  if (!['system', 'user', 'assistant'].includes(role)) throw new TypeError(`There is no role ${role}.`);
  if (prefix) throw refuse('A prefix of an answer is not supported.');
  if (typeof content === 'string') return { role, content };
  const texts = content.map(({ type, value }) => {
    if (type !== 'text' || typeof value !== 'string') throw refuse(`${type} is not supported, only text.`);
    return value;
  });
  return { role, content: texts.join('') };
}
