/**
 * Opens a model, whatever it lies in: a folder with `lethe.json`, a directory in Hugging Face's form, a GGUF file. It
 * reads headers and small files; weights are read later, tensor by tensor.
 */
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { asFields, FormatError, parseJson, utf8Text } from './errors.ts';
import { openGguf } from './gguf.ts';
import { MANIFEST_NAME, parseManifest, type QualityPoint } from './manifest.ts';
import { openSafetensors } from './safetensors.ts';
import { INDEX_NAME, openShards, type Shards } from './shards.ts';
import { memorySource, type Part, PartedSource, requireHash } from './sources.ts';
import type { Checkpoint } from './tensor.ts';

export interface ModelFiles {
  readonly name: string;
  /** SPDX identifier where the model says one. */
  readonly license: string | null;
  readonly checkpoint: Checkpoint;
  /** Adapters that lie beside the base; null where there are none, or where they are in the checkpoint itself. */
  readonly sidecar: Checkpoint | null;
  /** What the sidecar's forgetting was measured to cost, by rising offset; null where nobody says. */
  readonly quality: readonly QualityPoint[] | null;
  /** `config.json`, or null for GGUF, whose metadata says the same. */
  readonly config: Readonly<Record<string, unknown>> | null;
  /** `tokenizer.json` and `tokenizer_config.json`; null for GGUF, or where the directory has none. */
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  /** The text of `chat_template.jinja`, where the directory has it; it goes before the configuration's own. */
  readonly chatTemplate: string | null;
  /** `generation_config.json`: it may name more tokens that end an answer. Null where there is none. */
  readonly generation: Readonly<Record<string, unknown>> | null;
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
 * Opens a folder with `lethe.json`, or one with `config.json` and `model.safetensors` or an index of shards.
 * @throws FormatError that says which file is missing or wrong
 */
export async function openModel(files: FileSet, options: OpenModelOptions = {}): Promise<ModelFiles> {
  const { signal } = options;
  const manifest = await files.open(MANIFEST_NAME, signal);
  if (manifest) return openFolder(files, { manifest, ...options });
  const config = await optionalJson(files, 'config.json', signal);
  const weights = config === null ? null : await openWeights(files, signal);
  if (config !== null && weights !== null) return openDirectory(files, { config, weights, ...options });
  const missing =
    config === null ? `neither ${MANIFEST_NAME} nor config.json` : `config.json but no ${WEIGHTS} and no ${INDEX_NAME}`;
  throw new FormatError(
    files.name,
    `it has ${missing}. A model is a folder made by \`lethe convert\`, a directory with config.json and ${WEIGHTS} ` +
      'or shards with their index, or a single .gguf file.',
  );
}

/** The weights of a directory: one file, else shards by their index; null when it has neither. */
export async function openWeights(files: FileSet, signal?: AbortSignal): Promise<Shards | null> {
  const whole = await files.open(WEIGHTS, signal);
  if (whole) return { checkpoint: await openSafetensors(whole, signal), files: [whole] };
  const index = await files.open(INDEX_NAME, signal);
  return index && openShards(files, index, signal);
}

/** The hash of a base: the file's, or that of its shards' hashes in hexadecimal, one after the other. */
export async function hashOfWeights({ files }: Shards, hash: OtherAdapters['hash']): Promise<string> {
  const digests: string[] = [];
  for (const file of files) digests.push(await hash(file));
  if (digests.length === 1) return digests[0];
  return hash(memorySource('the hashes of the shards', new TextEncoder().encode(digests.join(''))));
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
  const openPart = async (part: Part, partSignal?: AbortSignal) => {
    const source = await files.open(part.name, partSignal, part);
    if (!source) throw new FormatError(files.name, `${part.name} is missing, and ${MANIFEST_NAME} lists it.`);
    return source;
  };
  const source = new PartedSource(file.name, file.parts, openPart);
  const kind = /\.(gguf|safetensors)$/.exec(file.name)?.[1];
  if (!kind) throw new FormatError(json.name, `its file ${file.name} is neither a .gguf nor a .safetensors file.`);
  const beside: FileSet = {
    name: files.name,
    async open(name, partSignal) {
      const part = manifest.files?.find((one) => one.name === name);
      return part ? memorySource(name, await readWhole(part, await openPart(part, partSignal), partSignal)) : null;
    },
  };
  const config = kind === 'gguf' ? null : await optionalFields(beside, 'config.json', signal);
  if (kind === 'safetensors' && !config) throw new FormatError(json.name, `${file.name} needs config.json beside it.`);
  const checkpoint = await (kind === 'gguf' ? openGguf : openSafetensors)(source, signal);
  const base = { name: file.name, sha256: manifest.base_sha256 ?? file.sha256 };
  let sidecar: Checkpoint | null = null;
  if (adapters) {
    sidecar = await openSidecar(adapters.source, base, signal);
  } else if (manifest.sidecar) {
    const bytes = await readWhole(manifest.sidecar, await openPart(manifest.sidecar, signal), signal);
    sidecar = await openSidecar(memorySource(manifest.sidecar.name, bytes), base, signal);
  }
  const { name, license } = manifest;
  // A curve is that of the adapters it came with.
  const quality = adapters ? null : (manifest.quality ?? null);
  return { name, license, checkpoint, sidecar, quality, config, ...(await readBeside(beside, signal)), byteLength };
}

/** A small file, whole. @throws FormatError when it is not what the manifest says */
async function readWhole({ name, size, sha256 }: Part, found: ByteSource, signal?: AbortSignal): Promise<Uint8Array> {
  if (found.size !== size) throw new FormatError(name, `it has ${found.size} bytes and should have ${size}.`);
  const bytes = await found.read(0, size, signal);
  await requireHash(bytes, sha256, name);
  return bytes;
}

/** What a model knows of text, where it lies beside the weights. */
async function readBeside(
  files: FileSet,
  signal?: AbortSignal,
): Promise<Pick<ModelFiles, 'tokenizerJson' | 'tokenizerConfig' | 'chatTemplate' | 'generation'>> {
  return {
    tokenizerJson: await optionalJson(files, 'tokenizer.json', signal),
    tokenizerConfig: await optionalJson(files, 'tokenizer_config.json', signal),
    chatTemplate: await optionalText(files, 'chat_template.jinja', signal),
    generation: await optionalFields(files, 'generation_config.json', signal),
  };
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
  o: OpenModelOptions & { readonly config: unknown; readonly weights: Shards },
): Promise<ModelFiles> {
  const { onTotal, signal, weights, adapters } = o;
  const { checkpoint } = weights;
  const byteLength = weights.files.reduce((sum, { size }) => sum + size, adapters?.source.size ?? 0);
  onTotal?.(byteLength);
  const base = adapters ? { name: checkpoint.name, sha256: await hashOfWeights(weights, adapters.hash) } : null;
  const config = asFields(o.config, 'config.json');
  const named = config._name_or_path;
  // The hub's addresses end in a revision, which is no name.
  const place = files.name.replace(/\/resolve\/[^/]+\/?$/, '');
  const lastPart = (typeof named === 'string' && named !== '' ? named : place).split(/[\\/]/).filter(Boolean).at(-1);
  return {
    name: lastPart ?? files.name,
    license: null,
    checkpoint,
    sidecar: adapters && base ? await openSidecar(adapters.source, base, signal) : null,
    quality: null,
    config,
    ...(await readBeside(files, signal)),
    byteLength,
  };
}

async function optionalJson(files: FileSet, name: string, signal?: AbortSignal): Promise<unknown> {
  const source = await files.open(name, signal);
  return source ? parseJson(await source.read(0, source.size, signal), name) : null;
}

async function optionalFields(files: FileSet, name: string, signal?: AbortSignal) {
  const json = await optionalJson(files, name, signal);
  return json === null ? null : asFields(json, name);
}

async function optionalText(files: FileSet, name: string, signal?: AbortSignal): Promise<string | null> {
  const source = await files.open(name, signal);
  return source ? utf8Text(await source.read(0, source.size, signal), name) : null;
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
    quality: null,
    config: null,
    tokenizerJson: null,
    tokenizerConfig: null,
    chatTemplate: null,
    generation: null,
    byteLength: source.size + (sidecar?.size ?? 0),
  };
}
