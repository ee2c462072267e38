/**
 * Makes a model folder for static hosting: the base's unchanged bytes in parts, the sidecar, the licence, `lethe.json`.
 * The same input gives the same bytes. It holds one part in memory and never converts a weight.
 */
import type { ByteSource } from '../util/byte_source.ts';
import type { BesideFile } from './convert_directory.ts';
import { FormatError } from './errors.ts';
import { openGguf } from './gguf.ts';
import {
  LARGEST_PART_BYTES,
  MANIFEST_NAME,
  type Manifest,
  parseManifest,
  type QualityPoint,
  requirePlainName,
} from './manifest.ts';
import { openSidecar } from './model_folder.ts';
import { openSafetensors } from './safetensors.ts';
import { memorySource, type Part } from './sources.ts';

/** An incremental SHA-256; `digest` gives lower-case hexadecimal. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  digest(): string;
}

export interface ConvertOptions {
  /** The model's name, as the page and `model` in a request say it. */
  readonly name: string;
  /** SPDX identifier, or null where it is not known. */
  readonly license: string | null;
  /** Written as LICENSE where given. */
  readonly licenseText?: string;
  /** Written as NOTICE where given. */
  readonly noticeText?: string;
  readonly sidecar?: { readonly name: string; readonly bytes: Uint8Array };
  /** What the sidecar's forgetting was measured to cost. */
  readonly quality?: readonly QualityPoint[];
  /** Configuration and tokenizer, to lie beside the weights; safetensors need config.json. */
  readonly beside?: readonly BesideFile[];
  /** The hash by which adapters know the base, where it is not that of `source`. */
  readonly baseSha256?: string;
  readonly createHasher: () => Hasher;
  readonly signal?: AbortSignal;
}

/**
 * Writes the folder's files through `write`, `lethe.json` last, so that a folder left half made does not open.
 * @param source a GGUF or safetensors file that Lethe can read
 * @throws FormatError when the file cannot be read or the sidecar was made for another base
 */
export async function convertModel(
  source: ByteSource,
  options: ConvertOptions,
  write: (name: string, bytes: Uint8Array) => Promise<void>,
): Promise<Manifest> {
  const { createHasher, signal, sidecar, quality, beside = [], baseSha256 } = options;
  const kind = /\.(gguf|safetensors)$/.exec(source.name)?.[1];
  if (!kind) throw new FormatError(source.name, 'only .gguf and .safetensors files can be made into a model folder.');
  requirePlainName(source.name, 'the source');
  if (sidecar) requirePlainName(sidecar.name, 'the sidecar');
  if (quality && !sidecar) throw new FormatError('the curve', 'it belongs to a sidecar, and there is none.');
  if (kind === 'safetensors' && !beside.some(({ name }) => name === 'config.json'))
    throw new FormatError(source.name, 'it needs config.json beside it.');
  await (kind === 'gguf' ? openGguf : openSafetensors)(source, signal);
  // Hashed in a pass of its own: a sidecar that does not fit is refused before anything is written.
  const sha256 = await hashAll(source, createHasher(), signal);
  const base = { name: source.name, sha256: baseSha256 ?? sha256 };
  if (sidecar) await openSidecar(memorySource(sidecar.name, sidecar.bytes), base, signal);
  const parts: Part[] = [];
  for (let offset = 0; offset < source.size; offset += LARGEST_PART_BYTES) {
    const bytes = await source.read(offset, Math.min(LARGEST_PART_BYTES, source.size - offset), signal);
    const name = `${source.name}.part${String(parts.length).padStart(3, '0')}`;
    parts.push(partOf(name, bytes, createHasher()));
    await write(name, bytes);
  }
  if (sidecar) await write(sidecar.name, sidecar.bytes);
  for (const { name, bytes } of beside) await write(name, bytes);
  const utf8 = new TextEncoder();
  if (options.licenseText !== undefined) await write('LICENSE', utf8.encode(options.licenseText));
  if (options.noticeText !== undefined) await write('NOTICE', utf8.encode(options.noticeText));
  const manifest: Manifest = {
    version: 1,
    name: options.name,
    license: options.license,
    file: { name: source.name, size: source.size, sha256, parts },
    sidecar: sidecar ? partOf(sidecar.name, sidecar.bytes, createHasher()) : null,
    ...(beside.length > 0 ? { files: beside.map(({ name, bytes }) => partOf(name, bytes, createHasher())) } : {}),
    ...(baseSha256 === undefined ? {} : { base_sha256: baseSha256 }),
    ...(quality ? { quality } : {}),
  };
  await write(MANIFEST_NAME, utf8.encode(`${JSON.stringify(parseManifest(manifest, MANIFEST_NAME), null, 2)}\n`));
  return manifest;
}

function partOf(name: string, bytes: Uint8Array, hasher: Hasher): Part {
  hasher.update(bytes);
  return { name, size: bytes.length, sha256: hasher.digest() };
}

async function hashAll(source: ByteSource, hasher: Hasher, signal?: AbortSignal): Promise<string> {
  for (let offset = 0; offset < source.size; offset += LARGEST_PART_BYTES) {
    hasher.update(await source.read(offset, Math.min(LARGEST_PART_BYTES, source.size - offset), signal));
  }
  return hasher.digest();
}
