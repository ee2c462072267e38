/** How a facade comes to its engine: one that is there, or one that is made when it is first needed. */
import type { Engine, EngineOptions, ServerOptions } from '../engine/api.ts';
import { createEngine } from '../worker/client.ts';

/** An engine, a function that makes one, or what `createEngine` takes. */
export type EngineSource = Engine | EngineOptions | ServerOptions | (() => Promise<Engine>);

/** Makes the engine; an engine that was given is not the facade's to destroy. */
export function engineMaker(source: EngineSource): () => Promise<Engine> {
  if (typeof source === 'function') return source;
  if ('chat' in source) return () => Promise.resolve(source);
  return () => createEngine(source);
}
