/** What a model at an address is, read from its small files before the large ones are downloaded. */
import { asFields, parseJson } from '../formats/errors.ts';
import { readGgufHead } from '../formats/gguf.ts';
import { updatedElements } from '../formats/low_rank.ts';
import { MANIFEST_NAME, type Manifest, parseManifest } from '../formats/manifest.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import { configFromGguf, configFromJson } from '../model/config.ts';
import { dmsFromSidecar } from '../model/dms_config.ts';
import { DownloadError, httpFile, httpFileSet, httpRanges } from '../store/http.ts';
import { type HubAddress, parseHubAddress } from '../store/hub_address.ts';
import type { FileSet } from '../util/byte_source.ts';
import type { DescribedModel, Forgetting } from './model_need.ts';

export interface ModelOffer {
  readonly name: string;
  readonly license: string | null;
  /** Bytes to download; null when the server does not say. */
  readonly bytes: number | null;
  /** The server, for the reader's judgement. */
  readonly host: string;
  /** For `needFor`; null where a large file would have to come whole to tell it. */
  readonly described: DescribedModel | null;
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
  if (!pathname.endsWith('.gguf')) return readFolder(address, { name, license: null, host, bytes: null }, signal);
  const bytes = await sizeOf(address, signal);
  return { name, license: null, host, bytes, described: await describeGguf(address, { bytes, whole: bytes }, signal) };
}

/** With the address to load from. The hub's client comes when somebody asks for the hub. */
async function readHubOffer(asked: HubAddress, signal?: AbortSignal): Promise<ModelOffer> {
  const { readHubModel } = await import('../store/hub.ts');
  const { repo, license, choices, chosen } = await readHubModel(asked, signal ? { signal } : {});
  const { address, bytes } = chosen;
  const known = { name: repo, license, bytes, host: new URL(address).host, address, choices };
  if (!address.endsWith('.gguf')) return readFolder(address, known, signal);
  return { ...known, described: await describeGguf(address, { bytes, whole: bytes }, signal) };
}

/** @param known what stands where the folder itself says nothing */
async function readFolder(
  address: string,
  known: Omit<ModelOffer, 'described'>,
  signal?: AbortSignal,
): Promise<ModelOffer> {
  const folder = httpFileSet(address);
  const file = await folder.open(MANIFEST_NAME, signal);
  if (file) {
    const subject = `${address} ${MANIFEST_NAME}`;
    const manifest = parseManifest(parseJson(await file.read(0, file.size, signal), subject), subject);
    const { name, license } = manifest;
    const bytes = manifest.file.size + (manifest.sidecar?.size ?? 0);
    const described = await describeFolder(folder, manifest, signal);
    return { ...known, name, license: known.license ?? license, bytes, described };
  }
  // A folder in Hugging Face's form says nothing of its size.
  const described = await describeConfig(folder, signal);
  if (described) return { ...known, described };
  throw new DownloadError(address, 404, `there is neither ${MANIFEST_NAME} nor config.json. Check the address.`);
}

/** By the beginning of the model's first part, or by the configuration beside it, and by the sidecar's header. */
async function describeFolder(
  folder: FileSet,
  { file, sidecar, quality = [] }: Manifest,
  signal?: AbortSignal,
): Promise<DescribedModel | null> {
  const at = (name: string): string => new URL(name, folder.name).href;
  const [first] = file.parts;
  const model = file.name.endsWith('.gguf')
    ? await describeGguf(at(first.name), { bytes: first.size, whole: file.size }, signal)
    : await describeConfig(folder, signal);
  if (!model || !sidecar) return model;
  const forgetting = await orNull(async (): Promise<Forgetting> => {
    const header = await openSafetensors(httpRanges(at(sidecar.name), sidecar.size), signal);
    const { offset } = dmsFromSidecar(header.metadata);
    return { offset, updatedElements: updatedElements(header), quality };
  });
  return { ...model, forgetting };
}

/** By `config.json`: such weights are rounded to w8. Null where there is none. */
async function describeConfig(folder: FileSet, signal?: AbortSignal): Promise<DescribedModel | null> {
  const config = await folder.open('config.json', signal);
  if (!config) return null;
  const fields = asFields(parseJson(await config.read(0, config.size, signal), config.name), config.name);
  return { sizes: configFromJson(fields), weightBytes: null, forgetting: null };
}

/** By the first bytes of a GGUF file: `bytes` are there of `whole`. */
function describeGguf(
  address: string,
  { bytes, whole }: { readonly bytes: number; readonly whole: number },
  signal?: AbortSignal,
): Promise<DescribedModel | null> {
  return orNull(async () => {
    const { metadata, vocabSize } = await readGgufHead(httpRanges(address, bytes), signal);
    return { sizes: configFromGguf(metadata, new Set(), vocabSize), weightBytes: whole, forgetting: null };
  });
}

/** Null from a server that sends no ranges: it is not asked for large files whole before somebody agrees. */
async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof DownloadError && cause.status === 200) return null;
    throw cause;
  }
}

async function sizeOf(address: string, signal?: AbortSignal): Promise<number> {
  const enough = new AbortController();
  const file = await httpFile(address, { signal: AbortSignal.any([enough.signal, ...(signal ? [signal] : [])]) });
  enough.abort();
  if (!file) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
  return file.size;
}
