/** What the panel knows of the element that it is in, and the events by which the element tells the page: types. */
import type { EngineInfo } from '../engine/api.ts';

export interface LetheChatEvents {
  /** The chat was opened. */
  'lethe-open': CustomEvent<null>;
  'lethe-close': CustomEvent<null>;
  /** A model is loaded and can be asked. */
  'lethe-ready': CustomEvent<{ readonly info: EngineInfo }>;
  /** A message was sent, or an answer has ended. */
  'lethe-message': CustomEvent<{ readonly role: 'user' | 'assistant'; readonly content: string }>;
  /** Something went wrong, and a card says so. */
  'lethe-error': CustomEvent<{ readonly kind: string; readonly message: string }>;
}

export interface PanelHost {
  /** Where the panel is drawn. */
  readonly root: ShadowRoot;
  /** Draws again. */
  changed(): void;
  /** Puts text back in the field. */
  restore(text: string): void;
  /** Puts a message into the field, to be sent in its other version. */
  edit(text: string, id: number): void;
  /** Reads the options again. */
  again(): void;
  tell<Name extends keyof LetheChatEvents>(name: Name, detail: LetheChatEvents[Name]['detail']): void;
}
