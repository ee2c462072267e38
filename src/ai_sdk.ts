/** `lethe/ai-sdk`: an engine as a provider of Vercel's AI SDK. */
export { createLethe, type LetheProvider } from './facades/ai_sdk.ts';
export type { EngineSource } from './facades/engine_source.ts';
