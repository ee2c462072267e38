/** `lethe/prompt-api`: a `LanguageModel` in the shape of the Prompt API over an engine. */
export type { EngineSource } from './facades/engine_source.ts';
export {
  type Availability,
  type CreateOptions,
  DownloadProgressEvent,
  type LanguageModelApi,
  promptApi,
} from './facades/prompt_api.ts';
export type { Prompt, PromptInput } from './facades/prompt_messages.ts';
export { LanguageModelSession, type PromptOptions } from './facades/prompt_session.ts';
