/**
 * Turns whatever went wrong into what a card says: what is missing, why, and what to do. Errors come through the worker
 * as plain errors with `name`, `fault`, `remedy`, `reason`, so they are told apart by those and never by class.
 */

export type FaultKind =
  | 'no-webgpu'
  | 'no-adapter'
  | 'missing-feature'
  | 'limit-too-small'
  | 'lost'
  | 'out-of-memory'
  | 'network'
  | 'not-found'
  | 'server'
  | 'gated'
  | 'no-room'
  | 'bad-model'
  | 'policy'
  | 'request'
  | 'context'
  | 'budget'
  | 'memory'
  | 'other';

export interface Fault {
  readonly kind: FaultKind;
  /** What is missing, as a heading. */
  readonly title: string;
  readonly why: string;
  /** What to do, one step an entry. */
  readonly remedies: readonly string[];
  /** The error's own words, for whoever wants them. */
  readonly detail: string;
  /** What the card's button does: load again, start a new chat, or nothing. */
  readonly action: 'load' | 'new-chat' | 'none';
}

type Words = Omit<Fault, 'kind' | 'detail'>;

const WORDS: Readonly<Record<FaultKind, Words>> = {
  'no-webgpu': {
    title: 'This browser has no WebGPU here',
    why: 'Lethe computes on your graphics processor, and WebGPU is how a page reaches it. Nothing was downloaded.',
    remedies: [
      'Use a current Chrome, Edge, Safari 26 or Firefox 141, or later ones.',
      'Open the page over https:// or from localhost: WebGPU is kept from other addresses.',
    ],
    action: 'load',
  },
  'no-adapter': {
    title: 'No graphics processor was found',
    why: 'The browser knows WebGPU but offers no adapter: hardware acceleration is off, or the driver is blocked.',
    remedies: [
      'Turn on hardware acceleration in the browser’s settings and restart it.',
      'Update the graphics driver.',
      'On Linux, Chrome may need Vulkan turned on at chrome://flags.',
    ],
    action: 'load',
  },
  'missing-feature': {
    title: 'The graphics processor lacks a feature',
    why: 'The model’s arithmetic needs a feature that this browser or adapter does not offer.',
    remedies: ['Update the browser and the graphics driver.', 'Try another browser or another machine.'],
    action: 'load',
  },
  'limit-too-small': {
    title: 'The model is too large for this graphics processor',
    why: 'One of its parts needs a larger buffer than the adapter allows.',
    remedies: ['Choose a smaller model.', 'Use a machine with a larger graphics processor.'],
    action: 'load',
  },
  'out-of-memory': {
    title: 'The graphics processor has no memory left',
    why: 'Other tabs and programs share it with this page.',
    remedies: ['Close other tabs or programs that draw a lot, then load again.', 'Choose a smaller model.'],
    action: 'load',
  },
  lost: {
    title: 'The graphics processor was lost',
    why: 'The driver was restarted or updated, the machine slept, or the processor was needed elsewhere.',
    remedies: ['Load the model again. Your conversation is still here.'],
    action: 'load',
  },
  network: {
    title: 'The model could not be downloaded',
    why: 'The connection broke, or the server did not answer.',
    remedies: ['Check the connection, then load again.'],
    action: 'load',
  },
  'not-found': {
    title: 'There is no model at this address',
    why: 'The server answered, but not with a model folder or a GGUF file.',
    remedies: [
      'Check the address, or owner and name.',
      'A model folder holds a file named lethe.json; `lethe convert` makes one.',
    ],
    action: 'load',
  },
  server: {
    title: 'The server did not answer as it should',
    why: 'This chat’s model runs at a server, and the server was not reached, refused, or broke off.',
    remedies: ['Try again in a while.', 'The words below say what the server said, for whoever runs it.'],
    action: 'load',
  },
  gated: {
    title: 'This model asks for a sign-in',
    why: 'Its owner gives it only to those who accept the terms. This page signs nobody in.',
    remedies: [
      'Accept the terms on the model’s own page, download its files there, and choose them under Models.',
      'Or choose another model.',
    ],
    action: 'load',
  },
  'no-room': {
    title: 'There is no room for this model',
    why: 'The browser gives this site a limited part of the disk, and the model does not fit. Nothing was downloaded.',
    remedies: ['Remove models that are kept under Models, or free some disk space.', 'Or choose a smaller model.'],
    action: 'load',
  },
  'bad-model': {
    title: 'This model cannot be read',
    why: 'A file is damaged, incomplete, or of a kind that Lethe does not know.',
    remedies: ['Download or convert the model again.', 'Choose another model.'],
    action: 'load',
  },
  policy: {
    title: 'This model was not taught to forget',
    why: 'DMS needs a model that was trained for it. This one can keep everything or a window.',
    remedies: ['Choose Dense or Window under Memory.'],
    action: 'none',
  },
  request: {
    title: 'A setting was refused',
    why: 'The engine does not take one of the values under Settings.',
    remedies: ['Open Settings, correct the value that is named below, and send again.'],
    action: 'none',
  },
  context: {
    title: 'The conversation is full',
    why: 'The model reads a limited number of tokens, and this message would not fit with what came before.',
    remedies: ['Shorten the message.', 'Or start a new chat.'],
    action: 'new-chat',
  },
  budget: {
    title: 'The memory set aside for this chat is full',
    why: 'The conversation reached the number of bytes that it may take.',
    remedies: ['Start a new chat.', 'Or choose DMS under Memory, which holds less.'],
    action: 'new-chat',
  },
  memory: {
    title: 'The graphics processor has no memory left for this chat',
    why: 'The conversation grew and the next block of memory was refused. What was written is kept.',
    remedies: ['Close other tabs or programs that draw a lot, and send again.', 'Or start a new chat.'],
    action: 'new-chat',
  },
  other: {
    title: 'Something went wrong',
    why: 'This should not have happened.',
    remedies: ['Load again. If it happens again, report it with the words below.'],
    action: 'load',
  },
};

const DEVICE_FAULTS: readonly FaultKind[] = [
  'no-webgpu',
  'no-adapter',
  'missing-feature',
  'limit-too-small',
  'lost',
  'out-of-memory',
];
const CACHE_REASONS: readonly FaultKind[] = ['context', 'budget', 'memory'];

/** The card's words for a kind; `detail` are the error's own. */
export function faultOfKind(kind: FaultKind, detail: string): Fault {
  return { kind, detail, ...WORDS[kind] };
}

/** The card's words for anything that was thrown. */
export function faultOf(error: unknown): Fault {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>;
  const detail = typeof fields.message === 'string' ? fields.message : String(error);
  const fault = faultOfKind(kindOf(fields), detail);
  // The engine knows which feature, limit or file it was; its remedy comes first.
  const remedy = fields.remedy;
  const own = fault.kind === 'missing-feature' || fault.kind === 'limit-too-small';
  return own && typeof remedy === 'string' ? { ...fault, remedies: [remedy, ...fault.remedies] } : fault;
}

function kindOf(fields: Readonly<Record<string, unknown>>): FaultKind {
  const among = (kinds: readonly FaultKind[], value: unknown): FaultKind | undefined =>
    kinds.find((kind) => kind === value);
  switch (fields.name) {
    case 'DeviceError':
      return among(DEVICE_FAULTS, fields.fault) ?? 'other';
    case 'CacheFullError':
      return among(CACHE_REASONS, fields.reason) ?? 'context';
    case 'PolicyError':
      return 'policy';
    case 'FormatError':
    case 'UnsupportedModelError':
    case 'TextError':
      return 'bad-model';
    case 'DownloadError':
      return fields.status === 404 || fields.status === 410 ? 'not-found' : 'network';
    case 'ServerError':
      return 'server';
    case 'HubError':
      return fields.reason === 'missing' ? 'not-found' : fields.reason === 'gated' ? 'gated' : 'bad-model';
    case 'NoRoomError':
      return 'no-room';
    case 'RequestError':
      return 'request';
    default:
      return 'other';
  }
}

/** True for the error of a signal that fired: somebody asked for it, so there is nothing to show. */
export function isAbort(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError';
}
