/** What a model at an address is, read from its small files before the large ones are downloaded. */
import { asFields, parseJson } from '../formats/errors.ts';
import { readGgufHead } from '../formats/gguf.ts';
import { MANIFEST_NAME, parseManifest } from '../formats/manifest.ts';
import { configFromGguf, configFromJson } from '../model/config.ts';
import { DownloadError, httpFile, httpFileSet } from '../store/http.ts';
import { type HubAddress, parseHubAddress } from '../store/hub_address.ts';
import type { ByteSource } from '../util/byte_source.ts';
import { type ModelNeed, modelNeed, TOLD_CONTEXT, W8_ELEMENT_BYTES } from './model_need.ts';

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
 * Asks the server at `address`: a model folder, a GGUF file, or a repository of the Hugging Face hub in any of the ways
 * that `findAddress` knows.
 * @throws DownloadError, with status 404 when there is no model; HubError; FormatError; UnsupportedModelError for a
 *   family that could not run
 */
export async function readOffer(address: string, signal?: AbortSignal): Promise<ModelOffer> {
  const onHub = parseHubAddress(address);
  if (onHub) return readHubOffer(onHub, signal);
  const { host, pathname } = new URL(address);
  const name = decodeURIComponent(pathname.split('/').findLast((part) => part !== '') ?? host);
  if (pathname.endsWith('.gguf')) return { name, license: null, host, ...(await readGguf(address, signal)) };
  return readFolder(address, { name, license: null, host, bytes: null }, signal);
}

/** With the address to load from. The hub's client comes when somebody asks for the hub. */
async function readHubOffer(asked: HubAddress, signal?: AbortSignal): Promise<ModelOffer> {
  const { readHubModel } = await import('../store/hub.ts');
  const { repo, license, choices, chosen } = await readHubModel(asked, signal ? { signal } : {});
  const { address, bytes } = chosen;
  const known = { name: repo, license, bytes, host: new URL(address).host, address, choices };
  if (address.endsWith('.gguf')) return { ...known, need: (await readGguf(address, signal)).need };
  return readFolder(address, known, signal);
}

/** @param known what stands where the folder itself says nothing */
async function readFolder(address: string, known: Omit<ModelOffer, 'need'>, signal?: AbortSignal): Promise<ModelOffer> {
  const folder = httpFileSet(address);
  const file = await folder.open(MANIFEST_NAME, signal);
  if (file) {
    const subject = `${address} ${MANIFEST_NAME}`;
    const manifest = parseManifest(parseJson(await file.read(0, file.size, signal), subject), subject);
    const { name, license } = manifest;
    const bytes = manifest.file.size + (manifest.sidecar?.size ?? 0);
    return { ...known, name, license: known.license ?? license, bytes, need: null };
  }
  // A folder in Hugging Face's form says nothing of its size.
  const config = await folder.open('config.json', signal);
  if (config) return { ...known, need: await needOfConfig(config, signal) };
  throw new DownloadError(address, 404, `there is neither ${MANIFEST_NAME} nor config.json. Check the address.`);
}

/** What the model of a `config.json` needs when its weights are held in 8 bits. */
async function needOfConfig(config: ByteSource, signal?: AbortSignal): Promise<ModelNeed> {
  const fields = asFields(parseJson(await config.read(0, config.size, signal), config.name), config.name);
  return modelNeed(configFromJson(fields), { context: TOLD_CONTEXT, elementBytes: W8_ELEMENT_BYTES });
}

/** The size of a GGUF file and what its model needs, from the first bytes. */
async function readGguf(address: string, signal?: AbortSignal) {
  const enough = new AbortController();
  const file = await httpFile(address, { signal: AbortSignal.any([enough.signal, ...(signal ? [signal] : [])]) });
  try {
    if (!file) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
    const { metadata, vocabSize } = await readGgufHead(file, signal);
    const config = configFromGguf(metadata, new Set(), vocabSize);
    return { bytes: file.size, need: modelNeed(config, { context: TOLD_CONTEXT, weightBytes: file.size }) };
  } finally {
    enough.abort();
  }
}
