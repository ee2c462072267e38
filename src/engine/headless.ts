/** An engine in the thread of who asks for it. What is computed here blocks nothing: the work is the GPU's. */
import type { OpenGpuOptions } from '../gpu/device.ts';
import type { Engine, EngineOptions, ServerOptions } from './api.ts';
import { createLocalEngine } from './engine.ts';
import { findModel } from './find_model.ts';
import { openModelAt } from './open_model.ts';
import { createServerEngine } from './server_engine.ts';

export interface HeadlessOptions extends EngineOptions {
  /** Default `navigator.gpu`; in Node what the package `webgpu` makes, whose globals must be set. */
  readonly gpu?: NonNullable<OpenGpuOptions['gpu']>;
}

/**
 * Loads a model in this thread, or, given a `baseURL`, speaks to a server. Downloads are not kept, and `snapshots` are
 * kept in memory.
 * @throws DeviceError, HubError, DownloadError, FormatError, UnsupportedModelError, TextError, PolicyError,
 *   ServerError; the signal's reason when it fires
 */
export async function createEngine(options: HeadlessOptions | ServerOptions): Promise<Engine> {
  if ('baseURL' in options) return createServerEngine(options);
  const { model, gpu = globalThis.navigator?.gpu, weights, device, cache, onProgress, signal } = options;
  const found = await findModel(model, { signal });
  const files = await openModelAt(found.model, {
    onBytes: (done, total) => onProgress?.({ stage: 'download', done, total }),
    listing: found.listing,
    ...(signal ? { signal } : {}),
  });
  return createLocalEngine({
    ...{ gpu, files },
    ...(weights ? { weights } : {}),
    ...(device ? { device } : {}),
    ...(cache ? { cache } : {}),
    ...(onProgress ? { onProgress } : {}),
    ...(signal ? { signal } : {}),
  });
}
