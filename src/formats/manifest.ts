/**
 * `lethe.json`, which describes a model folder: a base file cut into parts, and a DMS sidecar where there is one, with
 * what its forgetting was measured to cost.
 */
import { asCount, asFields, asNumber, asText, FormatError } from './errors.ts';
import type { Part } from './sources.ts';

export const MANIFEST_NAME = 'lethe.json';

/** What may lie beside the weights, as in a directory in Hugging Face's form. */
export const BESIDE_NAMES: readonly string[] = [
  ...['config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'generation_config.json'],
];

/** Static hosts refuse larger files, or serve them badly. */
export const LARGEST_PART_BYTES = 24 * 1024 * 1024;

/** What one eviction offset was measured to give on held-out text, against the base that forgets nothing. */
export interface QualityPoint {
  readonly offset: number;
  /** Recent tokens that no head gave up, where it was not the sidecar's number. */
  readonly window?: number;
  /** How many times fewer tokens are held. */
  readonly ratio: number;
  /** Change of the perplexity in parts of one: 0.012 is 1.2 percent more. */
  readonly perplexity: number;
  /** Mean Kullback-Leibler divergence of the next token's distribution, in nats. */
  readonly kl: number;
}

/** A file with its size in bytes and its SHA-256 in lower-case hexadecimal. */
export interface Manifest {
  readonly version: 1;
  readonly name: string;
  /** SPDX identifier, or null where it is not known. */
  readonly license: string | null;
  readonly file: Part & { readonly parts: readonly Part[] };
  readonly sidecar: Part | null;
  /** Files of `BESIDE_NAMES`. Weights in safetensors need config.json; tokenizer files go before those of a GGUF. */
  readonly files?: readonly Part[];
  /** The SHA-256 by which adapters know their base, where that is not the file's: the file was joined from shards. */
  readonly base_sha256?: string;
  /** By rising offset; absent where nothing was measured. */
  readonly quality?: readonly QualityPoint[];
}

/** Checks parsed JSON. @throws FormatError that names the field */
export function parseManifest(value: unknown, subject: string): Manifest {
  const { version, name, license, file, sidecar, files, base_sha256: base, quality } = asFields(value, subject);
  if (version !== 1) {
    throw new FormatError(subject, `its version is ${String(version)}; this Lethe reads version 1. Update Lethe.`);
  }
  const parts = asFields(file, `${subject}: file`).parts;
  if (!Array.isArray(parts)) throw new FormatError(`${subject}: file.parts`, 'expected a list of parts.');
  const manifest: Manifest = {
    version,
    name: asText(name, `${subject}: name`),
    license: license === null ? null : asText(license, `${subject}: license`),
    file: {
      ...asPart(file, `${subject}: file`),
      parts: parts.map((part, i) => asPart(part, `${subject}: file.parts[${i}]`)),
    },
    sidecar: sidecar === null ? null : asPart(sidecar, `${subject}: sidecar`),
    ...(files === undefined ? {} : { files: parseFiles(files, `${subject}: files`) }),
    ...(base === undefined ? {} : { base_sha256: asHash(base, `${subject}: base_sha256`) }),
    ...(quality === undefined ? {} : { quality: parseQuality(quality, `${subject}: quality`) }),
  };
  if (manifest.quality && !manifest.sidecar) {
    throw new FormatError(`${subject}: quality`, 'nothing forgets here: there is no sidecar whose cost was measured.');
  }
  const total = manifest.file.parts.reduce((sum, { size }) => sum + size, 0);
  if (total !== manifest.file.size) {
    throw new FormatError(subject, `its parts have ${total} bytes together, and file.size is ${manifest.file.size}.`);
  }
  const large = manifest.file.parts.find(({ size }) => size > LARGEST_PART_BYTES);
  if (large) throw new FormatError(subject, `part ${large.name} is larger than ${LARGEST_PART_BYTES} bytes.`);
  return manifest;
}

function parseFiles(value: unknown, subject: string): readonly Part[] {
  if (!Array.isArray(value)) throw new FormatError(subject, 'expected a list of files.');
  const parts = value.map((part, i) => asPart(part, `${subject}[${i}]`));
  const odd = parts.find(
    ({ name }, i) => !BESIDE_NAMES.includes(name) || parts.findIndex((p) => p.name === name) !== i,
  );
  if (odd) throw new FormatError(subject, `${odd.name} is none of ${BESIDE_NAMES.join(', ')}, or is there twice.`);
  return parts;
}

function asHash(value: unknown, subject: string): string {
  const sha256 = asText(value, subject);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new FormatError(subject, `${sha256} is no SHA-256.`);
  return sha256;
}

/**
 * Checks a curve, as `python -m retrofit eval` writes `curve.json`: at least one point, by rising offset.
 * @throws FormatError that names the field
 */
export function parseQuality(value: unknown, subject: string): readonly QualityPoint[] {
  if (!Array.isArray(value) || value.length === 0) throw new FormatError(subject, 'expected a list of points.');
  const points = value.map((point, i) => asPoint(point, `${subject}[${i}]`));
  const falling = points.findIndex(({ offset }, i) => i > 0 && offset <= points[i - 1].offset);
  if (falling > 0) throw new FormatError(`${subject}[${falling}].offset`, 'offsets must rise from point to point.');
  return points;
}

function asPoint(value: unknown, subject: string): QualityPoint {
  const fields = asFields(value, subject);
  const number = (key: keyof QualityPoint, least: number): number => {
    const found = asNumber(fields[key], `${subject}.${key}`);
    if (found < least) throw new FormatError(`${subject}.${key}`, `${found} is less than ${least}.`);
    return found;
  };
  return {
    offset: asNumber(fields.offset, `${subject}.offset`),
    ...(fields.window === undefined ? {} : { window: asWindow(fields.window, `${subject}.window`) }),
    ratio: number('ratio', 1),
    perplexity: number('perplexity', -1),
    kl: number('kl', 0),
  };
}

function asWindow(value: unknown, subject: string): number {
  const window = asCount(value, subject);
  if (window < 1) throw new FormatError(subject, `${window} is less than 1.`);
  return window;
}

/** A name leads to a file of this folder and nowhere else, and needs no escaping in an address. @throws FormatError */
export function requirePlainName(name: string, subject: string): void {
  if (/^[\w-][\w.-]*$/.test(name)) return;
  throw new FormatError(subject, `${name} is not a plain file name; letters, digits, dots, - and _ are allowed.`);
}

function asPart(value: unknown, subject: string): Part {
  const fields = asFields(value, subject);
  const name = asText(fields.name, `${subject}.name`);
  requirePlainName(name, `${subject}.name`);
  const sha256 = asHash(fields.sha256, `${subject}.sha256`);
  return { name, size: asCount(fields.size, `${subject}.size`), sha256 };
}
