/** `lethe.json`, which describes a model folder: a base file cut into parts, and a DMS sidecar where there is one. */
import { asCount, asFields, asText, FormatError } from './errors.ts';
import type { Part } from './sources.ts';

export const MANIFEST_NAME = 'lethe.json';

/** Static hosts refuse larger files, or serve them badly. */
export const LARGEST_PART_BYTES = 24 * 1024 * 1024;

/** A file with its size in bytes and its SHA-256 in lower-case hexadecimal. */
export interface Manifest {
  readonly version: 1;
  readonly name: string;
  /** SPDX identifier, or null where it is not known. */
  readonly license: string | null;
  readonly file: Part & { readonly parts: readonly Part[] };
  readonly sidecar: Part | null;
}

/** Checks parsed JSON. @throws FormatError that names the field */
export function parseManifest(value: unknown, subject: string): Manifest {
  const { version, name, license, file, sidecar } = asFields(value, subject);
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
  };
  const total = manifest.file.parts.reduce((sum, { size }) => sum + size, 0);
  if (total !== manifest.file.size) {
    throw new FormatError(subject, `its parts have ${total} bytes together, and file.size is ${manifest.file.size}.`);
  }
  const large = manifest.file.parts.find(({ size }) => size > LARGEST_PART_BYTES);
  if (large) throw new FormatError(subject, `part ${large.name} is larger than ${LARGEST_PART_BYTES} bytes.`);
  return manifest;
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
  const sha256 = asText(fields.sha256, `${subject}.sha256`);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new FormatError(`${subject}.sha256`, `${sha256} is no SHA-256.`);
  return { name, size: asCount(fields.size, `${subject}.size`), sha256 };
}
