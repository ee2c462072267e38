/**
 * Which model the page loads: the first by its address, then whatever the reader chooses, and the way back to the last
 * one that ran. The chosen address stands in the page's own, so that a reload finds it. It draws nothing.
 */
import type { CachePolicy } from '../cache/policy.ts';
import type { Engine, EngineOptions, ServerOptions } from '../engine/api.ts';
import type { BackAction } from '../ui/cards.ts';
import { Loader, type LoaderParts } from '../ui/loader.ts';
import { ServerLink } from '../ui/server_link.ts';
import { keepServer } from './kept_server.ts';

/** An absolute address, files that were chosen, or a server that the model runs at. */
export type ModelSource = string | readonly File[] | ServerOptions;

export interface ModelChoiceParts extends Omit<LoaderParts, 'createEngine'> {
  readonly createEngine: (options: EngineOptions | ServerOptions) => Promise<Engine>;
  /** The server of the last visit, in the place of the first model. */
  readonly server: ServerOptions | null;
  /** Absolute address of the first model. */
  readonly address: string;
  /** Absolute address of the model that lies beside the page. */
  readonly defaultAddress: string;
  /** Starts the new loader. */
  readonly load: () => void;
}

function isServer(model: ModelSource): model is ServerOptions {
  return typeof model === 'object' && 'baseURL' in model;
}

export class ModelChoice {
  readonly #parts: ModelChoiceParts;
  #loader: Loader | ServerLink;
  /** The last model that was ready. */
  #last: { readonly model: ModelSource; readonly name: string } | null = null;
  #switched = false;

  constructor(parts: ModelChoiceParts) {
    this.#parts = parts;
    this.#loader = this.#make(parts.server ?? parts.address);
  }

  get loader(): Loader | ServerLink {
    return this.#loader;
  }

  /** Loads another model in the place of this one. */
  readonly choose = (model: ModelSource): void => {
    this.#loader.dispose();
    this.#switched = true;
    this.#loader = this.#make(model);
    this.#parts.load();
  };

  /** To the last model that ran, while another one asks or has failed; null where there is none. */
  get back(): BackAction | null {
    const last = this.#last;
    if (!last || last.model === this.#loader.model) return null;
    return { name: last.name, act: () => this.choose(last.model) };
  }

  /** A setting for another model does not hold for one that was never taught to forget: DMS is left to the model. */
  policyFor(policy: CachePolicy | null): CachePolicy | null {
    return policy?.kind === 'dms' && this.#switched ? null : policy;
  }

  #make(model: ModelSource): Loader | ServerLink {
    const parts = this.#loaderParts();
    return isServer(model) ? new ServerLink(model, parts) : new Loader(model, parts);
  }

  #loaderParts() {
    return {
      ...this.#parts,
      changed: () => {
        this.#remember();
        this.#parts.changed();
      },
    };
  }

  #remember(): void {
    const { state, model } = this.#loader;
    if (state.kind !== 'ready' || this.#last?.model === model) return;
    this.#last = { model, name: state.engine.info.modelName };
    if (!this.#switched) return;
    keepServer(isServer(model) ? model : null);
    const here = new URL(location.href);
    const named = typeof model === 'string' && model !== this.#parts.defaultAddress;
    if (named) here.searchParams.set('model', model);
    else here.searchParams.delete('model');
    history.replaceState(history.state, '', here);
  }
}
