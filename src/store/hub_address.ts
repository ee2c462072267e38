/** Addresses on the Hugging Face hub: what they mean, and what somebody pasted. Pure text. */
import type { FileSet } from '../util/byte_source.ts';

export const HUB_URL = 'https://huggingface.co';

export interface HubAddress {
  /** `owner/name` */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Path of a file in the repository, empty for its folder as it is; null where the choice is left to the reader. */
  readonly file: string | null;
}

const NAME = '[A-Za-z0-9][\\w.-]*';
const REPO = new RegExp(`^(${NAME}/${NAME})$`);
const SHORT = new RegExp(`^hf:(${NAME}/${NAME})(?:@([\\w.-]+))?(?:/(.+))?$`);
const PATH = new RegExp(`^/(${NAME}/${NAME})(?:/(tree|blob|resolve|raw)/([^/]+)(?:/(.*))?)?/?$`);

/**
 * Reads `hf:owner/name`, `hf:owner/name@revision/file.gguf` or an address on huggingface.co; null for anything else.
 */
export function parseHubAddress(text: string): HubAddress | null {
  const short = SHORT.exec(text);
  if (short) return { repo: short[1], revision: short[2] ?? 'main', file: short[3] ?? null };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  if (!/^(www\.)?(huggingface\.co|hf\.co)$/.test(url.hostname)) return null;
  const path = PATH.exec(decodeURIComponent(url.pathname));
  if (!path || /^(datasets|spaces|api|docs|models)\//.test(path[1])) return null;
  const [, repo, kind, revision = 'main', file] = path;
  return { repo, revision, file: kind === 'resolve' ? (file ?? null) : file || null };
}

/** What must be asked of the hub before anything can be loaded; null where the address is the model's own. */
export function askedOfHub(text: string): HubAddress | null {
  const address = parseHubAddress(text);
  const own = address?.file != null && /^https?:\/\/([^/]+\/){3}resolve\//.test(text);
  return own ? null : address;
}

/** Where the hub has a file or, without one, the folder of a repository. */
export function hubFileAddress({ repo, revision, file }: HubAddress): string {
  return `${HUB_URL}/${repo}/resolve/${encodeURIComponent(revision)}/${encodePath(file ?? '')}`;
}

/** A path in a repository as part of an address. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** The one way to write what is asked of the hub: `hf:owner/name`, with revision and file where they say more. */
export function hubName({ repo, revision, file }: HubAddress): string {
  return `hf:${repo}${revision === 'main' ? '' : `@${revision}`}${file ? `/${file}` : ''}`;
}

/** What somebody pasted as an address that can be loaded: `owner/name` is the hub's; null when it is none. */
export function modelAddress(text: string): string | null {
  const trimmed = text.trim();
  if (REPO.test(trimmed)) return `hf:${trimmed}`;
  if (SHORT.test(trimmed)) return trimmed;
  const url = URL.canParse(trimmed) ? new URL(trimmed) : null;
  return url && /^https?:$/.test(url.protocol) ? url.href : null;
}

/** Repositories that have no tokenizer of their own, and say in their cards whose they use. */
const TOKENIZERS: ReadonlyMap<string, string> = new Map([['nvidia/Qwen3-8B-DMS-8x', 'Qwen/Qwen3-8B']]);

/** Files that a tokenizer and a chat template are made of. */
const TOKENIZER_FILES = new Set(['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']);

/** The folder that a repository takes its tokenizer from; null where it has its own. */
export function tokenizerAddress(address: string): string | null {
  const base = TOKENIZERS.get(parseHubAddress(address)?.repo ?? '');
  return base === undefined ? null : `${HUB_URL}/${base}/resolve/main/`;
}

/** A folder's files, those of a tokenizer from another folder where this one lacks them. */
export function withTokenizerOf(files: FileSet, other: FileSet): FileSet {
  return {
    name: files.name,
    open: async (name, signal, expected) =>
      (await files.open(name, signal, expected)) ?? (TOKENIZER_FILES.has(name) ? other.open(name, signal) : null),
  };
}
