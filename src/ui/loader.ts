/**
 * From an address to a ready engine: checks the graphics processor, asks before it downloads from elsewhere, follows
 * the progress, can be cancelled and tried again. It draws nothing and knows no conversation.
 */
import type { CachePolicy } from '../cache/policy.ts';
import type { Engine, EngineOptions, LoadProgress } from '../engine/api.ts';
import { needFor, TOLD_CONTEXT } from '../engine/model_need.ts';
import type { ModelOffer, OfferChoice } from '../engine/model_offer.ts';
import { type Fault, faultOf, faultOfKind, isAbort } from './faults.ts';
import { type JudgedNeed, judgeNeed } from './need_line.ts';
import { findAdapter } from './preflight.ts';
import { TransferMeter } from './transfer_meter.ts';

/** An offer with what it needs here. */
export interface JudgedOffer extends ModelOffer {
  readonly judged: JudgedNeed;
}

export type LoadState =
  | { readonly kind: 'checking' }
  /** Another server's model: nothing is downloaded before the reader says so. */
  | { readonly kind: 'consent'; readonly offer: JudgedOffer; readonly adapter: string | null }
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
  /** Asks before every download of a model that is not kept, and not only of another server's. */
  readonly askFirst?: boolean;
  /** True when the model at the address is here already, so that there is nothing to agree to. */
  readonly isKept?: (address: string) => Promise<boolean>;
  /** Tokens of the conversation that the model is wanted for, where that is known. */
  readonly context?: number | null;
  readonly changed: () => void;
}

export class Loader {
  state: LoadState = { kind: 'checking' };

  /** An absolute address, or files that were chosen. */
  #model: string | readonly File[];
  readonly #parts: LoaderParts;
  #abort: AbortController | null = null;
  #consented: boolean;
  #policy: CachePolicy | null = null;

  /** @param model an absolute address, or files that a person chose: of those nothing is downloaded */
  constructor(model: string | readonly File[], parts: LoaderParts) {
    this.#model = model;
    this.#parts = parts;
    this.#consented = typeof model !== 'string' || (!parts.askFirst && new URL(model).origin === location.origin);
  }

  get model(): string | readonly File[] {
    return this.#model;
  }

  /** The model's address; of chosen files their names, which stand for the model in settings. */
  get address(): string {
    return typeof this.#model === 'string' ? this.#model : this.#model.map(({ name }) => name).join(' ');
  }

  /** What the engine was loaded with; null for the model's own choice. */
  get policy(): CachePolicy | null {
    return this.#policy;
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
      const offer = await this.#offer(abort.signal);
      if (late()) return;
      if (offer) {
        const { described, bytes } = offer;
        const context = this.#parts.context ?? TOLD_CONTEXT;
        const need = described && needFor(described, { policy, context });
        const judged = judgeNeed(need, bytes, found.room);
        return this.#set({ kind: 'consent', offer: { ...offer, judged }, adapter: found.adapter });
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

  /** What the reader must agree to; null when nothing would be downloaded, or all was agreed to. */
  async #offer(signal: AbortSignal): Promise<ModelOffer | null> {
    const { isKept, readOffer } = this.#parts;
    const model = this.#model;
    if (this.#consented || typeof model !== 'string' || (await isKept?.(model))) return null;
    const offer = await readOffer(model, signal);
    if (offer.address === undefined || signal.aborted || !(await isKept?.(offer.address))) return offer;
    // It was loaded by its own address before.
    this.#model = offer.address;
    return null;
  }

  /** Asks about another form of the model that is offered. */
  async take(choice: OfferChoice): Promise<void> {
    this.#model = choice.address;
    await this.load(this.#policy);
  }

  /** The reader agreed to the download. */
  async consent(): Promise<void> {
    this.#consented = true;
    // So that the browser does not throw the download away when its disk is short; it decides, and may ask.
    if ('storage' in navigator) void navigator.storage.persist?.().catch(() => false);
    await this.load(this.#policy);
  }

  /** Ends the loading under way; what was downloaded may serve the next try. */
  cancel(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#set({ kind: 'cancelled' });
  }

  /** Ends whatever there is, engine and loading, and says nothing more. `load` begins anew. */
  dispose(): void {
    this.#abort?.abort();
    this.#abort = null;
    if (this.state.kind === 'ready') void this.state.engine.destroy();
    this.state = { kind: 'checking' };
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
      model: this.#model,
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
