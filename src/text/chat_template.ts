/**
 * Messages to one prompt by the model's own Jinja template, and the tokens that end a turn. It never invents a
 * template: a model without one cannot chat.
 */
import { Template } from '@huggingface/jinja';
import { TextError } from './errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A message as templates see it: any field of OpenAI's form, `tool_calls` and `reasoning_content` among them. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** True to end with the opening of an assistant's turn. */
  readonly addGenerationPrompt: boolean;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** Function descriptions in OpenAI's form, for templates that know tools. */
  readonly tools?: readonly unknown[];
  /** False where the answer is to begin without a thought, for templates that know the difference. */
  readonly thinking?: boolean;
}

/** The prompt's text. @throws TextError with the template's own words when it refuses the messages */
export function renderChat(template: string, messages: readonly TemplateMessage[], options: RenderOptions): string {
  const { addGenerationPrompt, bosToken, eosToken, tools, thinking } = options;
  try {
    return new Template(template).render({
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: addGenerationPrompt,
      bos_token: bosToken ?? '',
      eos_token: eosToken ?? '',
      ...(tools ? { tools: [...tools] } : {}),
      ...(thinking === undefined ? {} : { enable_thinking: thinking }),
    });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new TextError(`The model's chat template refused the messages: ${words}`, { cause });
  }
}

/**
 * The template in `tokenizer_config.json`: a text, or a list of named ones of which `default` is meant.
 * @returns null when the model has none
 */
export function chatTemplateOf(tokenizerConfig: unknown): string | null {
  if (typeof tokenizerConfig !== 'object' || tokenizerConfig === null) return null;
  const { chat_template: template } = tokenizerConfig as { readonly chat_template?: unknown };
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return null;
  const named = template.find((entry: unknown) => (entry as { readonly name?: unknown } | null)?.name === 'default');
  const text: unknown = (named as { readonly template?: unknown } | undefined)?.template;
  return typeof text === 'string' ? text : null;
}

/** Tokens that end a turn or the text in the families that we run. */
const END_TOKENS = ['<|im_end|>', '<|eot_id|>', '<|eom_id|>', '<|end_of_text|>', '<|endoftext|>', '</s>'];

/**
 * Ids at which an answer ends, ascending: the end-of-text token, those of `END_TOKENS` that are special here, and the
 * ones that the model's configuration lists.
 */
export function stopTokenIds(tokenizer: Tokenizer, listed: readonly number[] = []): number[] {
  const eos = tokenizer.eosToken === null ? undefined : tokenizer.tokenId(tokenizer.eosToken);
  const ids = new Set(eos === undefined ? listed : [...listed, eos]);
  for (const text of END_TOKENS) {
    const id = tokenizer.tokenId(text);
    if (id !== undefined && tokenizer.isSpecial(id)) ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}
