/** What a directory in Hugging Face's form gives to a model folder: weights as one file, and what lies beside them. */
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { FormatError } from './errors.ts';
import { joinedShards } from './joined_shards.ts';
import { BESIDE_NAMES } from './manifest.ts';
import { hashOfWeights, openWeights } from './model_folder.ts';

/** A small file, by its name in the model folder. */
export interface BesideFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface ConvertibleDirectory {
  /** The weights' file as it is, or its shards joined to one. */
  readonly source: ByteSource;
  readonly beside: readonly BesideFile[];
  /** Set where shards were joined: the hash by which adapters know them. */
  readonly baseSha256?: string;
}

/**
 * @param hash SHA-256 in lower-case hexadecimal; asked only of shards
 * @throws FormatError when weights or config.json are missing or wrong
 */
export async function openConvertible(
  files: FileSet,
  hash: (base: ByteSource) => Promise<string>,
  signal?: AbortSignal,
): Promise<ConvertibleDirectory> {
  const weights = await openWeights(files, signal);
  if (!weights) throw new FormatError(files.name, 'it has no model.safetensors and no index of shards.');
  const beside = await besideIn(files, signal);
  if (!beside.some(({ name }) => name === 'config.json')) throw new FormatError(files.name, 'it has no config.json.');
  const [first, ...more] = weights.files;
  if (more.length === 0) return { source: first, beside };
  const source = joinedShards('model.safetensors', weights.checkpoint);
  return { source, beside, baseSha256: await hashOfWeights(weights, hash) };
}

/** The files of a set that may lie beside weights. */
export async function besideIn(files: FileSet, signal?: AbortSignal): Promise<BesideFile[]> {
  const found: BesideFile[] = [];
  for (const name of BESIDE_NAMES) {
    const source = await files.open(name, signal);
    if (source) found.push({ name, bytes: await source.read(0, source.size, signal) });
  }
  return found;
}

/**
 * The files of a model with tokenizer and template of another directory: all that concern text are that one's.
 * @throws FormatError when it has no tokenizer.json
 */
export async function withTokenizer(beside: readonly BesideFile[], other: FileSet): Promise<BesideFile[]> {
  const [own, theirs] = [beside.filter(({ name }) => !isText(name)), await besideIn(other)];
  const text = theirs.filter(({ name }) => isText(name));
  if (!text.some(({ name }) => name === 'tokenizer.json'))
    throw new FormatError(other.name, 'it has no tokenizer.json.');
  return [...own, ...text];
}

function isText(name: string): boolean {
  return name.startsWith('tokenizer') || name.endsWith('.jinja');
}
