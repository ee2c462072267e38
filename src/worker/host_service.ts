/** The worker's side: opens the model, owns the engine, sends chunks. It answers with outcomes and never throws. */
import type { ChatRequest, LoadProgress } from '../engine/api.ts';
import { createLocalEngine, type EngineAtHand, type LocalEngineOptions } from '../engine/engine.ts';
import { openModelAt } from '../engine/open_model.ts';
import { defined } from '../util/assert.ts';
import {
  type ChatAbort,
  type ChatEvent,
  type EngineHost,
  type Outcome,
  packError,
  type WireOptions,
} from './protocol.ts';

/** Progress is news a few times a second, not with every packet. */
const PROGRESS_EVERY_MS = 50;

async function outcome<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (cause) {
    return { ok: false, error: packError(cause) };
  }
}

/** Lets the first and the last figure of each stage through, and a few between. */
function thinned(report: (progress: LoadProgress) => void): (progress: LoadProgress) => void {
  let stage = '';
  let at = 0;
  return (progress) => {
    const now = performance.now();
    const edge = progress.stage !== stage || progress.done >= progress.total;
    if (!edge && now - at < PROGRESS_EVERY_MS) return;
    stage = progress.stage;
    at = now;
    report(progress);
  };
}

/** @param gpu asked for when a model is loaded: `navigator.gpu` in a worker */
export function createHost(gpu: () => LocalEngineOptions['gpu']): EngineHost {
  let engine: EngineAtHand | null = null;
  const current = (): EngineAtHand => defined(engine, 'the engine: load comes first, and destroy last');

  async function pump(request: ChatRequest, port: MessagePort): Promise<void> {
    const stop = new AbortController();
    port.onmessage = ({ data }: MessageEvent<ChatAbort>) => {
      if (data.type === 'abort') stop.abort();
    };
    const send = (event: ChatEvent): void => port.postMessage(event);
    const chunks = await current().start(request, { signal: stop.signal });
    void (async () => {
      try {
        for await (const chunk of chunks) send({ type: 'chunk', chunk });
        send({ type: 'end' });
      } catch (cause) {
        send({ type: 'error', error: packError(cause) });
      }
      // Not closed here: a port that closes may drop what it has not delivered. The client closes it.
    })();
  }

  return {
    load: (options: WireOptions, onProgress) =>
      outcome(async () => {
        const tell = thinned(onProgress);
        const onBytes = (done: number, total: number) => tell({ stage: 'download', done, total });
        const files = await openModelAt(options.model, { onBytes });
        const { device, cache } = options;
        engine = await createLocalEngine({
          gpu: gpu(),
          files,
          onProgress: tell,
          ...(device ? { device } : {}),
          ...(cache ? { cache } : {}),
        });
        return engine.info;
      }),
    chat: (request, port) => outcome(() => pump(request, port).then(() => null)),
    occupancy: () => outcome(() => current().occupancy()),
    setPolicy: (policy) =>
      outcome(() =>
        current()
          .setPolicy(policy)
          .then(() => null),
      ),
    reset: () =>
      outcome(() =>
        current()
          .reset()
          .then(() => null),
      ),
    lost: () => current().lost,
    destroy: () =>
      outcome(async () => {
        await engine?.destroy();
        engine = null;
        return null;
      }),
  };
}
