/**
 * From an address to a ready engine: checks the graphics processor, asks before it downloads from elsewhere, follows
 * the
 * progress, can be cancelled and tried again. It draws nothing and knows no conversation.
 */
import type { CachePolicy } from '../cache/policy.ts';
import type { Engine, EngineOptions, LoadProgress } from '../engine/api.ts';
import { type Fault, faultOf, faultOfKind, isAbort } from './faults.ts';
import type { ModelOffer } from './model_offer.ts';
import { findAdapter } from './preflight.ts';
import { TransferMeter } from './transfer_meter.ts';

export type LoadState =
  | { readonly kind: 'checking' }
  /** Another server's model: nothing is downloaded before the reader says so. */
  | { readonly kind: 'consent'; readonly offer: ModelOffer; readonly adapter: string }
  | {
      readonly kind: 'loading';
      readonly progress: LoadProgress | null;
      readonly bytesPerSecond: number | null;
      readonly msLeft: number | null;
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'ready'; readonly engine: Engine }
  | { readonly kind: 'fault'; readonly fault: Fault };

export interface LoaderParts {
  readonly createEngine: (options: EngineOptions) => Promise<Engine>;
  /** What another server offers: name, bytes, licence. */
  readonly readOffer: (address: string, signal: AbortSignal) => Promise<ModelOffer>;
  readonly changed: () => void;
}

export class Loader {
  state: LoadState = { kind: 'checking' };
  /** Absolute address of the model. */
  readonly address: string;

  readonly #parts: LoaderParts;
  #abort: AbortController | null = null;
  #consented: boolean;
  #policy: CachePolicy | null = null;

  constructor(address: string, parts: LoaderParts) {
    this.address = address;
    this.#parts = parts;
    this.#consented = new URL(address).origin === location.origin;
  }

  /** Starts, or starts again. `policy` null leaves the choice to the model. It never rejects. */
  async load(policy: CachePolicy | null): Promise<void> {
    this.#policy = policy;
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    if (this.state.kind === 'ready') void this.state.engine.destroy();
    const late = (): boolean => this.#abort !== abort;
    this.#set({ kind: 'checking' });
    try {
      const found = await findAdapter();
      if (late()) return;
      if ('fault' in found) return this.#set({ kind: 'fault', fault: found.fault });
      if (!this.#consented) {
        const offer = await this.#parts.readOffer(this.address, abort.signal);
        if (!late()) this.#set({ kind: 'consent', offer, adapter: found.adapter });
        return;
      }
      const engine = await this.#create(abort);
      if (late()) return void engine.destroy();
      this.#set({ kind: 'ready', engine });
      void this.#watch(engine);
    } catch (error) {
      if (late()) return;
      this.#set(isAbort(error) ? { kind: 'cancelled' } : { kind: 'fault', fault: faultOf(error) });
    }
  }

  /** The reader agreed to the download. */
  async consent(): Promise<void> {
    this.#consented = true;
    await this.load(this.#policy);
  }

  /** Ends the loading under way; what was downloaded may serve the next try. */
  cancel(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#set({ kind: 'cancelled' });
  }

  #create(abort: AbortController): Promise<Engine> {
    const meter = new TransferMeter();
    this.#set({ kind: 'loading', progress: null, bytesPerSecond: null, msLeft: null });
    const onProgress = (progress: LoadProgress): void => {
      if (this.#abort !== abort || this.state.kind !== 'loading') return;
      const counts = progress.stage === 'download';
      if (counts) meter.add(progress.done, performance.now());
      this.#set({
        kind: 'loading',
        progress,
        bytesPerSecond: counts ? meter.bytesPerSecond : null,
        msLeft: counts ? meter.msLeft(progress.total) : null,
      });
    };
    return this.#parts.createEngine({
      model: this.address,
      ...(this.#policy && { cache: { policy: this.#policy } }),
      onProgress,
      signal: abort.signal,
    });
  }

  /** Shows the loss of the device, and frees what is left of the engine. */
  async #watch(engine: Engine): Promise<void> {
    const detail = await engine.lost;
    if (this.state.kind !== 'ready' || this.state.engine !== engine) return;
    this.#set({ kind: 'fault', fault: faultOfKind('lost', detail) });
    await engine.destroy();
  }

  #set(state: LoadState): void {
    this.state = state;
    this.#parts.changed();
  }
}
