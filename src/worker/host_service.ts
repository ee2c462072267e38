/** The worker's side: opens the model, owns the engine, sends chunks. It answers with outcomes and never throws. */
import { transfer } from 'comlink';
import type { ChatRequest, LoadProgress } from '../engine/api.ts';
import { createLocalEngine, type EngineAtHand, type LocalEngineOptions } from '../engine/engine.ts';
import { openModelAt } from '../engine/open_model.ts';
import type { Disk } from '../store/disk.ts';
import { diskKeeper } from '../store/disk_keeper.ts';
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

/** The same for work that gives nothing. */
function done(work: () => Promise<void>): Promise<Outcome<null>> {
  return outcome(async () => {
    await work();
    return null;
  });
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

/** Asked for when a model is loaded. */
export interface HostParts {
  /** `navigator.gpu` in a worker. */
  readonly gpu: () => LocalEngineOptions['gpu'];
  /** Where downloads are kept; null where nothing can be. */
  readonly disk?: () => Promise<Disk | null>;
  /** Where the memories of chats are kept; in memory where there is none. */
  readonly snapshots?: () => Promise<Disk | null>;
}

export function createHost({ gpu, disk, snapshots = async () => null }: HostParts): EngineHost {
  const keeper = diskKeeper(snapshots);
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
        const { model, listing, weights, device, cache } = options;
        const files = await openModelAt(model, { onBytes, listing, disk: (await disk?.()) ?? null });
        engine = await createLocalEngine({
          gpu: gpu(),
          files,
          onProgress: tell,
          keeper,
          ...(weights ? { weights } : {}),
          ...(device ? { device } : {}),
          ...(cache ? { cache } : {}),
        });
        return engine.info;
      }),
    chat: (request, port) => outcome(() => pump(request, port).then(() => null)),
    occupancy: () => outcome(() => current().occupancy()),
    setPolicy: (policy) => done(() => current().setPolicy(policy)),
    countTokens: (messages) => outcome(() => current().countTokens(messages)),
    retention: async () => {
      const counted = await outcome(() => current().retention());
      if (!counted.ok) return counted;
      const { holders, perLayer, messages } = counted.value;
      return transfer(counted, [holders.buffer, perLayer.buffer, messages.buffer]);
    },
    snapshot: async () => {
      const taken = await outcome(() => current().snapshot());
      return taken.ok ? transfer(taken, [taken.value.buffer]) : taken;
    },
    restore: (snapshot) => done(() => current().restore(snapshot)),
    saveSnapshot: (name) => outcome(() => current().snapshots.save(name)),
    restoreSnapshot: (name) => outcome(() => current().snapshots.restore(name)),
    removeSnapshot: (name) => done(() => current().snapshots.remove(name)),
    listSnapshots: () => outcome(() => current().snapshots.list()),
    reset: () => done(() => current().reset()),
    lost: () => current().lost,
    destroy: () =>
      outcome(async () => {
        await engine?.destroy();
        engine = null;
        return null;
      }),
  };
}
