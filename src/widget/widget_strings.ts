/** The words of the widget that a page may replace, one by one. Plain values; the defaults are English. */
import type { Fault, FaultKind } from '../ui/faults.ts';
import { WORDS, type Words } from '../ui/words.ts';

/** The card of a fault, as far as a page words it anew. */
export type FaultWords = Partial<Pick<Fault, 'title' | 'why' | 'remedies'>>;

export interface WidgetStrings extends Words {
  /** Cards that say what went wrong, by the `kind` that `lethe-error` tells. */
  readonly faults: Readonly<Partial<Record<FaultKind, FaultWords>>>;
  /** The name of the closed button. */
  readonly launcher: string;
  /** The heading of the open chat, and its name for screen readers. */
  readonly title: string;
  readonly closeChat: string;
  /** In the empty field. */
  readonly placeholder: string;
  readonly welcomeTitle: string;
  readonly welcomeText: string;
  /** In its place when the model runs at a server: `{host}` is the server. */
  readonly welcomeServer: string;
  /** Where the chat's own code did not come. */
  readonly unavailable: string;
  /** What the chat is doing, beside its heading. */
  readonly starting: string;
  readonly waiting: string;
  readonly loading: string;
  readonly notLoaded: string;
  readonly stopped: string;
  readonly ready: string;
  readonly reading: string;
  readonly writing: string;
  readonly stopping: string;
}

export const WIDGET_STRINGS: WidgetStrings = {
  ...WORDS,
  // The page's own advice speaks of its address bar and of its settings.
  faults: {
    'not-found': { remedies: ['Tell whoever runs this page: the address of its model is not right.'] },
    'no-room': { remedies: ['Free some disk space, or remove what this site keeps in your browser.'] },
    policy: { remedies: ['Tell whoever runs this page: its chat asks for a way of forgetting that the model lacks.'] },
    request: { remedies: ['Tell whoever runs this page: its chat has a setting that is refused, named below.'] },
    budget: { remedies: ['Start a new chat.'] },
  },
  launcher: 'Open chat',
  title: 'Chat',
  closeChat: 'Close chat',
  placeholder: 'Write a message',
  welcomeTitle: 'Ask something',
  welcomeText: 'The model runs on your own device. What you write stays there.',
  welcomeServer: 'The model runs at {host}. What you write is sent there.',
  unavailable: 'The chat could not be loaded. Check the connection, close this and open it again.',
  starting: 'starting',
  waiting: 'waiting for you',
  loading: 'loading',
  notLoaded: 'not loaded',
  stopped: 'stopped',
  ready: 'ready',
  reading: 'reading',
  writing: 'writing',
  stopping: 'stopping',
};
