/**
 * The Hugging Face hub: what an address there means, which files of a repository make a model that could be loaded, how
 * many bytes they are and under which licence, and a search. It downloads no weights and signs nobody in.
 */
import { HubApiError, type ListFileEntry, listFiles, listModels, modelInfo } from '@huggingface/hub';
import { DownloadError } from './http.ts';
import { encodePath, HUB_URL, type HubAddress } from './hub_address.ts';

/** A repository cannot be used; `reason` chooses the words for the reader. */
export class HubError extends Error {
  override readonly name = 'HubError';
  constructor(
    readonly repo: string,
    readonly reason: 'missing' | 'gated' | 'unsupported',
    fact: string,
    options?: ErrorOptions,
  ) {
    super(`${repo}: ${fact}`, options);
  }
}

/** One way to load a repository. */
export interface HubChoice {
  /** Absolute address that an engine takes: of a folder or of a GGUF file. */
  readonly address: string;
  /** Such as `Q4_K_M`, or `safetensors`. */
  readonly label: string;
  readonly bytes: number;
}

export interface HubModel {
  readonly repo: string;
  readonly license: string | null;
  /** By rising size. */
  readonly choices: readonly HubChoice[];
  /** The one to take unless the reader says otherwise. */
  readonly chosen: HubChoice;
}

export interface HubEntry {
  readonly repo: string;
  readonly license: string | null;
  readonly downloads: number;
  readonly gated: boolean;
  readonly gguf: boolean;
}

export interface HubOptions {
  readonly signal?: AbortSignal;
  /** Another server that speaks as the hub does. */
  readonly hubUrl?: string;
}

/** Types of the files that Lethe reads, as their makers name them, the preferred ones of a large model first. */
const QUANTISATIONS = [
  ...['Q4_K_M', 'Q4_K_S', 'Q4_1', 'Q4_0', 'Q5_K_M', 'Q5_K_S', 'Q5_1', 'Q5_0', 'Q6_K', 'Q8_0', 'F16', 'FP16', 'BF16'],
  ...['F32', 'FP32'],
];

/** Up to this size the 8 bits of Q8_0 are worth their bytes; above it 4 bits are. */
const EIGHT_BIT_BYTES = 800e6;

function quantisationOf(path: string): string | null {
  const name = /([A-Z0-9]+(?:_[A-Z0-9]+)*)\.gguf$/i.exec(path)?.[1].toUpperCase() ?? '';
  return QUANTISATIONS.find((known) => name === known || name.endsWith(`_${known}`)) ?? null;
}

/**
 * Asks the hub about a repository.
 * @throws HubError: there is none, it wants a sign-in, or it has no file that could be loaded; DownloadError
 */
export async function readHubModel(address: HubAddress, options: HubOptions = {}): Promise<HubModel> {
  const { repo, revision } = address;
  const common = { hubUrl: options.hubUrl ?? HUB_URL, revision, fetch: fetchWith(options.signal) };
  const files: ListFileEntry[] = [];
  const info = await asked(repo, common.hubUrl, async () => {
    const found = await modelInfo({ ...common, name: repo, additionalFields: ['tags', 'cardData'] });
    for await (const file of listFiles({ ...common, repo: { type: 'model', name: repo } })) files.push(file);
    return found;
  });
  if (info.gated) {
    const fact =
      'its owner wants you to sign in and accept terms first, and Lethe signs nobody in. Accept them at ' +
      `${common.hubUrl}/${repo}, download the files there, and load those.`;
    throw new HubError(repo, 'gated', fact);
  }
  const base = `${common.hubUrl}/${repo}/resolve/${encodeURIComponent(revision)}/`;
  const choices = choicesOf(files, base).sort((a, b) => a.bytes - b.bytes);
  const named = address.file;
  const wanted = named === null ? null : base + encodePath(named);
  const chosen = wanted === null ? preferred(choices) : choices.find(({ address: at }) => at === wanted);
  if (!chosen) throw unsupported(repo, files, named || null);
  return { repo, license: licenseOf(info), choices, chosen };
}

function choicesOf(files: readonly ListFileEntry[], base: string): HubChoice[] {
  const has = (path: string): boolean => files.some((file) => file.path === path);
  const choices: HubChoice[] = [];
  for (const { path, size } of files) {
    const label = /^mmproj|-\d{5}-of-\d{5}\.gguf$/i.test(path) ? null : quantisationOf(path);
    if (label !== null) choices.push({ address: base + encodePath(path), label, bytes: size });
  }
  const weights = files.filter(({ path }) => /^model(-\d+-of-\d+)?\.safetensors$/.test(path));
  const whole = has('model.safetensors') || has('model.safetensors.index.json');
  if (has('lethe.json')) {
    const bytes = files.reduce((sum, { path, size }) => sum + (/\.(part\d+|safetensors)$/.test(path) ? size : 0), 0);
    choices.push({ address: base, label: 'model folder', bytes });
  } else if (has('config.json') && weights.length > 0 && whole) {
    choices.push({ address: base, label: 'safetensors', bytes: weights.reduce((sum, { size }) => sum + size, 0) });
  }
  return choices;
}

function preferred(choices: readonly HubChoice[]): HubChoice | undefined {
  const folder = choices.find(({ label }) => label === 'model folder');
  const eight = choices.find(({ label, bytes }) => label === 'Q8_0' && bytes <= EIGHT_BIT_BYTES);
  const ranked = QUANTISATIONS.map((name) => choices.find(({ label }) => label === name));
  return folder ?? eight ?? ranked.find((choice) => choice !== undefined) ?? choices.at(0);
}

function unsupported(repo: string, files: readonly ListFileEntry[], named: string | null): HubError {
  if (named && !files.some(({ path }) => path === named)) {
    return new HubError(repo, 'missing', `it has no file ${named}.`);
  }
  const large = files.filter(({ path }) => /\.(gguf|safetensors|bin|pt|pth|onnx|npz|msgpack|h5)$/i.test(path));
  const shown = (large.length > 0 ? large : files).map(({ path }) => path);
  const list = shown.length > 6 ? `${shown.slice(0, 6).join(', ')} and ${shown.length - 6} more` : shown.join(', ');
  return new HubError(
    repo,
    'unsupported',
    `it has ${named ?? (list || 'no files')}, and none of that can be loaded. A model is one .gguf file in ` +
      `${QUANTISATIONS.filter((name) => !name.startsWith('FP')).join(', ')}, or config.json with model.safetensors ` +
      'or its shards.',
  );
}

interface Described {
  readonly tags?: readonly string[];
  readonly cardData?: unknown;
}

function licenseOf({ tags = [], cardData }: Described): string | null {
  const card = (cardData ?? {}) as Readonly<Record<string, unknown>>;
  const tag = tags.find((one) => one.startsWith('license:'))?.slice('license:'.length);
  const license = typeof card.license === 'string' ? card.license : (tag ?? null);
  // `other` says nothing; the card then names the licence in words.
  return license === 'other' && typeof card.license_name === 'string' ? card.license_name : license;
}

/** Models whose names hold the words of `query`, the most downloaded first: those in a form that Lethe reads. */
export async function searchHub(query: string, options: HubOptions = {}): Promise<HubEntry[]> {
  const hubUrl = options.hubUrl ?? HUB_URL;
  return asked(query, hubUrl, async () => {
    const found: HubEntry[] = [];
    const models = listModels({
      search: { query, task: 'text-generation' },
      sort: 'downloads',
      additionalFields: ['tags'],
      limit: 40,
      hubUrl,
      fetch: fetchWith(options.signal),
    });
    for await (const { name, tags = [], downloads, gated } of models) {
      const gguf = tags.includes('gguf');
      if (!gguf && !tags.includes('safetensors')) continue;
      found.push({ repo: name, license: licenseOf({ tags }), downloads, gated: gated !== false, gguf });
    }
    return found;
  });
}

function fetchWith(signal: AbortSignal | undefined): typeof fetch {
  return (input, init) => fetch(input, signal ? { ...init, signal } : init);
}

/** Turns the hub's errors into ours. */
async function asked<T>(subject: string, hubUrl: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'AbortError') throw cause;
    if (!(cause instanceof HubApiError)) {
      const fact = `the hub could not be reached (${String(cause)}). Check the connection.`;
      throw new DownloadError(hubUrl, null, fact, { cause });
    }
    // The hub answers 401 for what does not exist as well: it does not tell strangers what is private.
    if ([401, 403, 404].includes(cause.statusCode)) {
      const fact = `the hub knows no such public model (${cause.statusCode}). Check owner and name.`;
      throw new HubError(subject, 'missing', fact, { cause });
    }
    throw new DownloadError(hubUrl, cause.statusCode, `the hub answered ${cause.statusCode}. Try again later.`, {
      cause,
    });
  }
}
