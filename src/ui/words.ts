/**
 * Every word of the shared parts that a page may put in its own language. Parts that are elements take them as a
 * property; templates that are functions use those of whoever calls them. Plain values; the defaults are English.
 */
import { formatCount } from './format.ts';

export const WORDS = {
  // The field.
  message: 'Message',
  send: 'Send',
  stop: 'Stop',
  keys: 'Enter sends, Shift and Enter break the line, Up edits your last message, Escape stops the answer.',
  editing: 'Editing a message. What was there before stays, as another version.',
  leaveEditing: 'Cancel (Esc)',
  tooLong:
    'Too long: the conversation would have {tokens} tokens, and {context} is the most. Shorten it or start anew.',
  nearlyFull: 'This leaves {left} tokens for the answer, which will be cut where they end. A new chat has room again.',
  // The conversation.
  conversation: 'Conversation',
  latest: 'Latest',
  you: 'You:',
  answer: 'Answer:',
  showAll: 'Show all {words} words',
  showLess: 'Show less',
  thisMessage: 'This message',
  thisAnswer: 'This answer',
  copy: 'Copy',
  copied: 'Copied',
  copyMessage: 'Copy message',
  copyAnswer: 'Copy answer',
  edit: 'Edit',
  regenerate: 'Regenerate',
  previousVersion: 'Previous version',
  nextVersion: 'Next version',
  version: '{at} of {of}',
  code: 'code',
  thinking: 'Thinking…',
  thought: 'Thought for {seconds} s',
  // The quiet line of an answer.
  readNote: '{read} read, {cached} remembered',
  oneToken: '1 token',
  tokens: '{count} tokens',
  readingNow: 'reading…',
  readingPart: 'reading {done} of {total}…',
  stoppingNow: 'stopping…',
  thinkingNow: 'thinking, {tokens}…',
  writingNow: 'writing, {tokens}…',
  speed: '{speed} tok/s',
  memory: 'memory {held} (dense {dense})',
  stoppedNote: 'stopped',
  lengthNote: 'cut at the longest answer',
  failedNote: 'broken off',
  // Before a download.
  consentTitle: 'Download {name}?',
  size: 'Size',
  sizeUntold: 'not told by the server',
  form: 'Form',
  formField: 'Form of the model',
  from: 'From',
  licence: 'Licence',
  licenceUntold: 'not told',
  runsOn: 'Runs on',
  adapterUnnamed: 'not named by the browser',
  needs: 'Needs {needs}.',
  needsMemory: 'about {bytes} of graphics memory, of which {memory} to remember {tokens}',
  /** The same for a model that forgets: `ratio` is how many times fewer tokens it holds. */
  needsMemoryLess: 'about {bytes} of graphics memory, of which {memory} to remember {tokens} ({ratio}× fewer held)',
  needsDisk: '{bytes} on disk',
  needsDiskOf: '{bytes} on disk of {free} free',
  needsUntold: 'What it needs is not told by the server.',
  lacksBuffer: 'Too large for this adapter: one part needs a buffer of {need}, and it allows {have}.',
  lacksDisk: 'No room on this disk: {need} to download, and the browser gives this site {have} more.',
  smaller: 'Smaller: {name}, {bytes}, {licence}.',
  takeSmaller: 'Take {name}',
  runsHere: 'It runs in this page. What you write stays on this device.',
  accept: 'Download and start',
  acceptUnfit: 'Download all the same',
  back: 'Back to {name}',
  // Loading.
  loadingTitle: 'Loading the model',
  cancel: 'Cancel',
  beginning: 'Starting',
  download: 'Download',
  upload: 'Upload to the GPU',
  compile: 'Compile',
  loadStarting: 'starting…',
  loadPart: '{done} of {total}',
  loadSpeed: '{bytes}/s',
  loadLeft: '{time} left',
  loadKernels: '{done} of {total} kernels',
  loadReady: 'ready',
  cancelledTitle: 'Loading was cancelled',
  cancelledText: 'Nothing runs now. Loading again takes up what the browser still has.',
  load: 'Load the model',
  // What went wrong; the titles and steps themselves are under `faults`.
  ownWords: 'In the error’s own words',
  loadAgain: 'Load again',
  newChat: 'New chat',
  close: 'Close',
};

export type Words = Readonly<typeof WORDS>;

/** Puts values into the places that a text names in braces. */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

let current: Words = WORDS;

/** A number of tokens. */
export function tokenWords(count: number): string {
  return count === 1 ? current.oneToken : fillIn(current.tokens, { count: formatCount(count) });
}

/** The words of the template that is being made. */
export function words(): Words {
  return current;
}

/** Makes templates with these words. `make` must not wait for anything. */
export function withWords<T>(chosen: Words, make: () => T): T {
  const before = current;
  current = chosen;
  try {
    return make();
  } finally {
    current = before;
  }
}
