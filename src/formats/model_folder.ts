/**
 * Opens a model, whatever it lies in: a folder with `lethe.json`, a directory in Hugging Face's form, a GGUF file. It
 * reads headers and small files; weights are read later, tensor by tensor.
 */
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { asFields, FormatError, parseJson } from './errors.ts';
import { openGguf } from './gguf.ts';
import { MANIFEST_NAME, parseManifest } from './manifest.ts';
import { openSafetensors } from './safetensors.ts';
import { memorySource, PartedSource, requireHash } from './sources.ts';
import type { Checkpoint } from './tensor.ts';

export interface ModelFiles {
  readonly name: string;
  /** SPDX identifier where the model says one. */
  readonly license: string | null;
  readonly checkpoint: Checkpoint;
  /** Adapters that lie beside the base; null where there are none, or where they are in the checkpoint itself. */
  readonly sidecar: Checkpoint | null;
  /** `config.json`, or null for GGUF, whose metadata says the same. */
  readonly config: Readonly<Record<string, unknown>> | null;
  /** `tokenizer.json` and `tokenizer_config.json`; null for GGUF, or where the directory has none. */
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  /** Bytes of weights, sidecar included. */
  readonly byteLength: number;
}

const WEIGHTS = 'model.safetensors';

/** Adapters to use in place of those that a model comes with. */
export interface OtherAdapters {
  /** A safetensors file. */
  readonly source: ByteSource;
  /** The SHA-256 of the base, which a directory in Hugging Face's form does not tell; lower-case hexadecimal. */
  readonly hash: (base: ByteSource) => Promise<string>;
}

export interface OpenModelOptions {
  readonly signal?: AbortSignal;
  /** Told the bytes of weights as soon as they are known, before any of them is read. */
  readonly onTotal?: (bytes: number) => void;
  readonly adapters?: OtherAdapters;
}

/**
 * Opens a folder with `lethe.json`, or one with `config.json` and `model.safetensors`.
 * @throws FormatError that says which file is missing or wrong
 */
export async function openModel(files: FileSet, options: OpenModelOptions = {}): Promise<ModelFiles> {
  const { signal } = options;
  const manifest = await files.open(MANIFEST_NAME, signal);
  if (manifest) return openFolder(files, { manifest, ...options });
  const config = await optionalJson(files, 'config.json', signal);
  const weights = config === null ? null : await files.open(WEIGHTS, signal);
  if (config !== null && weights !== null) return openDirectory(files, { config, weights, ...options });
  const missing = config === null ? `neither ${MANIFEST_NAME} nor config.json` : `config.json but no ${WEIGHTS}`;
  throw new FormatError(
    files.name,
    `it has ${missing}. A model is a folder made by \`lethe convert\`, a directory with config.json and one ` +
      `${WEIGHTS} (join shards first), or a single .gguf file.`,
  );
}

async function openFolder(
  files: FileSet,
  o: OpenModelOptions & { readonly manifest: ByteSource },
): Promise<ModelFiles> {
  const { manifest: json, onTotal, signal, adapters } = o;
  const manifest = parseManifest(parseJson(await json.read(0, json.size, signal), json.name), json.name);
  const { file } = manifest;
  const byteLength = file.size + (adapters?.source.size ?? manifest.sidecar?.size ?? 0);
  onTotal?.(byteLength);
  const openPart = async (name: string, partSignal?: AbortSignal) => {
    const source = await files.open(name, partSignal);
    if (!source) throw new FormatError(files.name, `${name} is missing, and ${MANIFEST_NAME} lists it.`);
    return source;
  };
  const source = new PartedSource(file.name, file.parts, (part, partSignal) => openPart(part.name, partSignal));
  const isGguf = file.name.endsWith('.gguf');
  if (!isGguf)
    throw new FormatError(json.name, `its file ${file.name} is no .gguf file, and no other kind is known here.`);
  const checkpoint = await openGguf(source, signal);
  let sidecar: Checkpoint | null = null;
  if (adapters) {
    sidecar = await openSidecar(adapters.source, file, signal);
  } else if (manifest.sidecar) {
    const { name, size, sha256 } = manifest.sidecar;
    const found = await openPart(name, signal);
    if (found.size !== size) throw new FormatError(name, `it has ${found.size} bytes and should have ${size}.`);
    const bytes = await found.read(0, size, signal);
    await requireHash(bytes, sha256, name);
    sidecar = await openSidecar(memorySource(name, bytes), file, signal);
  }
  const { name, license } = manifest;
  return { name, license, checkpoint, sidecar, config: null, tokenizerJson: null, tokenizerConfig: null, byteLength };
}

/** Opens a sidecar and checks that it was trained on this base. @throws FormatError */
export async function openSidecar(
  source: ByteSource,
  base: { readonly name: string; readonly sha256: string },
  signal?: AbortSignal,
): Promise<Checkpoint> {
  const sidecar = await openSafetensors(source, signal);
  const trainedOn = sidecar.metadata.base_sha256;
  if (trainedOn !== base.sha256) {
    throw new FormatError(
      source.name,
      `these adapters were trained on a file with SHA-256 ${String(trainedOn)}, and ${base.name} has ${base.sha256}. ` +
        'Use the sidecar made for this base.',
    );
  }
  return sidecar;
}

async function openDirectory(
  files: FileSet,
  o: OpenModelOptions & { readonly config: unknown; readonly weights: ByteSource },
): Promise<ModelFiles> {
  const { onTotal, signal, weights, adapters } = o;
  const byteLength = weights.size + (adapters?.source.size ?? 0);
  onTotal?.(byteLength);
  const base = adapters ? { name: weights.name, sha256: await adapters.hash(weights) } : null;
  const config = asFields(o.config, 'config.json');
  const named = config._name_or_path;
  const lastPart = (typeof named === 'string' && named !== '' ? named : files.name)
    .split(/[\\/]/)
    .filter(Boolean)
    .at(-1);
  return {
    name: lastPart ?? files.name,
    license: null,
    checkpoint: await openSafetensors(weights, signal),
    sidecar: adapters && base ? await openSidecar(adapters.source, base, signal) : null,
    config,
    tokenizerJson: await optionalJson(files, 'tokenizer.json', signal),
    tokenizerConfig: await optionalJson(files, 'tokenizer_config.json', signal),
    byteLength,
  };
}

async function optionalJson(files: FileSet, name: string, signal?: AbortSignal): Promise<unknown> {
  const source = await files.open(name, signal);
  return source ? parseJson(await source.read(0, source.size, signal), name) : null;
}

export interface GgufModelOptions {
  readonly sidecar?: ByteSource;
  /** The file's SHA-256 where it is known; without it a sidecar is taken on trust. */
  readonly sha256?: string;
  readonly signal?: AbortSignal;
}

/** Opens a single GGUF file as a model, with a sidecar where one is given. @throws FormatError */
export async function openGgufModel(source: ByteSource, options: GgufModelOptions = {}): Promise<ModelFiles> {
  const { sidecar, sha256, signal } = options;
  const checkpoint = await openGguf(source, signal);
  const text = (key: string) => {
    const value = checkpoint.metadata[key];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  let adapters: Checkpoint | null = null;
  if (sidecar) {
    const base = { name: source.name, sha256: sha256 ?? '' };
    adapters = await (sha256 ? openSidecar(sidecar, base, signal) : openSafetensors(sidecar, signal));
  }
  return {
    name: text('general.name') ?? source.name,
    license: text('general.license'),
    checkpoint,
    sidecar: adapters,
    config: null,
    tokenizerJson: null,
    tokenizerConfig: null,
    byteLength: source.size + (sidecar?.size ?? 0),
  };
}
