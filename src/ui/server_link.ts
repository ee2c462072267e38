/**
 * Stands where the loader stands when the model runs at a server: nothing is downloaded and no adapter is needed, so
 * there is nothing to agree to and only the server to ask.
 */
import type { Engine, ServerOptions } from '../engine/api.ts';
import { faultOf, isAbort } from './faults.ts';
import type { LoadState } from './loader.ts';

export interface ServerLinkParts {
  readonly createEngine: (options: ServerOptions) => Promise<Engine>;
  readonly changed: () => void;
}

export class ServerLink {
  state: LoadState = { kind: 'checking' };
  /** What stands for the model: the server and, where it was named, its model. */
  readonly model: ServerOptions;
  /** A server decides by itself what it keeps. */
  readonly policy = null;
  readonly #parts: ServerLinkParts;
  #abort: AbortController | null = null;

  constructor(options: ServerOptions, parts: ServerLinkParts) {
    this.model = options;
    this.#parts = parts;
  }

  /** Stands for the model in settings. */
  get address(): string {
    return [this.model.baseURL, this.model.model ?? ''].join(' ');
  }

  /** Asks the server what it has. It never rejects. */
  async load(): Promise<void> {
    this.dispose();
    const abort = new AbortController();
    this.#abort = abort;
    this.#set({ kind: 'checking' });
    try {
      const engine = await this.#parts.createEngine({ ...this.model, signal: abort.signal });
      if (this.#abort !== abort) return void engine.destroy();
      this.#set({ kind: 'ready', engine });
    } catch (error) {
      if (this.#abort === abort && !isAbort(error)) this.#set({ kind: 'fault', fault: faultOf(error) });
    }
  }

  /** There is no download to agree to. */
  async consent(): Promise<void> {}

  async take(): Promise<void> {}

  cancel(): void {
    this.dispose();
    this.#set({ kind: 'cancelled' });
  }

  /** Leaves the server and says nothing more. */
  dispose(): void {
    this.#abort?.abort();
    this.#abort = null;
    if (this.state.kind === 'ready') void this.state.engine.destroy();
    this.state = { kind: 'checking' };
  }

  #set(state: LoadState): void {
    this.state = state;
    this.#parts.changed();
  }
}
