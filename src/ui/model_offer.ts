/** What a model on another server is, read from its small files before the large ones are downloaded. */
import { type ModelNeed, modelNeed, W8_ELEMENT_BYTES } from '../engine/model_need.ts';
import { asFields, parseJson } from '../formats/errors.ts';
import { readGgufHead } from '../formats/gguf.ts';
import { MANIFEST_NAME, parseManifest } from '../formats/manifest.ts';
import { configFromGguf, configFromJson } from '../model/config.ts';
import { DownloadError, httpFile, httpFileSet } from '../store/http.ts';
import type { ByteSource } from '../util/byte_source.ts';
import { TOLD_CONTEXT } from './need_line.ts';

export interface ModelOffer {
  readonly name: string;
  readonly license: string | null;
  /** Bytes to download; null when the server does not say. */
  readonly bytes: number | null;
  /** The server, for the reader's judgement. */
  readonly host: string;
  /** For a conversation of `TOLD_CONTEXT` tokens; null where the files do not say the model's sizes. */
  readonly need: ModelNeed | null;
  /** Where the model itself is, if the address that was asked only leads there. */
  readonly address?: string;
  /** Other forms of the same model, this one included. */
  readonly choices?: readonly OfferChoice[];
}

/** A form that a model is offered in. */
export interface OfferChoice {
  readonly address: string;
  /** Such as `Q8_0`. */
  readonly label: string;
  readonly bytes: number;
}

/**
 * Asks the server at `address`, a model folder or a GGUF file.
 * @throws DownloadError, with status 404 when there is no model; FormatError; UnsupportedModelError for a family that
 *   could not run
 */
export async function readOffer(address: string, signal: AbortSignal): Promise<ModelOffer> {
  const { host, pathname } = new URL(address);
  const name = decodeURIComponent(pathname.split('/').findLast((part) => part !== '') ?? host);
  if (pathname.endsWith('.gguf')) {
    const { bytes, need } = await readGguf(address, signal);
    return { name, license: null, bytes, host, need };
  }
  const folder = httpFileSet(address);
  const file = await folder.open(MANIFEST_NAME, signal);
  if (file) {
    const subject = `${address} ${MANIFEST_NAME}`;
    const manifest = parseManifest(parseJson(await file.read(0, file.size, signal), subject), subject);
    const bytes = manifest.file.size + (manifest.sidecar?.size ?? 0);
    return { name: manifest.name, license: manifest.license, bytes, host, need: null };
  }
  // A folder in Hugging Face's form says nothing of its size.
  const config = await folder.open('config.json', signal);
  if (config) return { name, license: null, bytes: null, host, need: await needOfConfig(config, signal) };
  throw new DownloadError(address, 404, `there is neither ${MANIFEST_NAME} nor config.json. Check the address.`);
}

/** What the model of a `config.json` needs when its weights are held in 8 bits. */
export async function needOfConfig(config: ByteSource, signal: AbortSignal): Promise<ModelNeed> {
  const fields = asFields(parseJson(await config.read(0, config.size, signal), config.name), config.name);
  return modelNeed(configFromJson(fields), { context: TOLD_CONTEXT, elementBytes: W8_ELEMENT_BYTES });
}

/** The size of a GGUF file and what its model needs, from the first bytes. */
export async function readGguf(address: string, signal: AbortSignal) {
  const enough = new AbortController();
  const file = await httpFile(address, { signal: AbortSignal.any([signal, enough.signal]) });
  try {
    if (!file) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
    const { metadata, vocabSize } = await readGgufHead(file, signal);
    const config = configFromGguf(metadata, new Set(), vocabSize);
    return { bytes: file.size, need: modelNeed(config, { context: TOLD_CONTEXT, weightBytes: file.size }) };
  } finally {
    enough.abort();
  }
}
