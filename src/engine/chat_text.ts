/** A model's way with text: its tokenizer, its chat template and the tokens at which an answer ends. */
import type { ModelFiles } from '../formats/model_folder.ts';
import { chatTemplateOf, renderChat, stopTokenIds } from '../text/chat_template.ts';
import { TextError } from '../text/errors.ts';
import { tokenizerFromGguf } from '../text/gguf_tokenizer.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import type { ChatMessage, ToolDescription } from './api.ts';
import { RequestError } from './errors.ts';

/** The files' tokenizer: `tokenizer.json` where there is one, else the GGUF's metadata. @throws TextError */
export function openTokenizer(files: ModelFiles): { readonly tokenizer: Tokenizer; readonly config: unknown } {
  if (files.tokenizerJson !== null) {
    const config = files.tokenizerConfig ?? {};
    return { tokenizer: createTokenizer(files.tokenizerJson, config), config };
  }
  if (files.checkpoint.format !== 'gguf') {
    throw new TextError(`${files.name} has no tokenizer.json; put the model's own beside its weights.`);
  }
  const { tokenizerJson, tokenizerConfig } = tokenizerFromGguf(files.checkpoint.metadata);
  return { tokenizer: createTokenizer(tokenizerJson, tokenizerConfig), config: tokenizerConfig };
}

/** Ids that the model's configuration lists as the end of an answer. */
function endTokensOf({ generation, config }: ModelFiles): number[] {
  const listed: unknown = generation?.eos_token_id ?? config?.eos_token_id ?? [];
  const ids: unknown[] = Array.isArray(listed) ? listed : [listed];
  return ids.filter((id): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0);
}

export class ChatText {
  readonly tokenizer: Tokenizer;
  /** Ids that end an answer. */
  readonly stopTokens: readonly number[];
  readonly #template: string;

  /** @throws TextError when the model has no chat template */
  constructor(files: ModelFiles) {
    const { tokenizer, config } = openTokenizer(files);
    const template = files.chatTemplate ?? chatTemplateOf(config);
    if (template === null) {
      throw new TextError(`${files.name} has no chat template, so it cannot chat. Use the model's instruct version.`);
    }
    this.tokenizer = tokenizer;
    this.stopTokens = stopTokenIds(tokenizer, endTokensOf(files));
    this.#template = template;
  }

  /**
   * The chat as text, up to where the assistant's answer begins.
   * @throws TextError; RequestError where the template would pass over tools or calls in silence
   */
  render(messages: readonly ChatMessage[], tools: readonly ToolDescription[] | null = null): string {
    const { bosToken, eosToken } = this.tokenizer;
    const needed = tools ? 'tools' : messages.some((message) => message.tool_calls) ? 'tool_calls' : null;
    if (needed && !this.#template.includes(needed)) {
      throw new RequestError(needed, `The chat template of this model has no place for ${needed}.`);
    }
    const options = { addGenerationPrompt: true, bosToken, eosToken };
    return renderChat(this.#template, messages, { ...options, ...(tools ? { tools } : {}) });
  }
}
