/** What a model on another server is, read from its small files before the large ones are downloaded. */
import { parseJson } from '../formats/errors.ts';
import { MANIFEST_NAME, parseManifest } from '../formats/manifest.ts';
import { DownloadError, httpFile, httpFileSet } from '../store/http.ts';

export interface ModelOffer {
  readonly name: string;
  readonly license: string | null;
  /** Bytes to download; null when the server does not say. */
  readonly bytes: number | null;
  /** The server, for the reader's judgement. */
  readonly host: string;
}

/**
 * Asks the server at `address`, a model folder or a GGUF file.
 * @throws DownloadError, with status 404 when there is no model; FormatError
 */
export async function readOffer(address: string, signal: AbortSignal): Promise<ModelOffer> {
  const { host, pathname } = new URL(address);
  const name = decodeURIComponent(pathname.split('/').findLast((part) => part !== '') ?? host);
  if (pathname.endsWith('.gguf')) return { name, license: null, bytes: await sizeOf(address, signal), host };
  const folder = httpFileSet(address);
  const file = await folder.open(MANIFEST_NAME, signal);
  if (file) {
    const subject = `${address} ${MANIFEST_NAME}`;
    const manifest = parseManifest(parseJson(await file.read(0, file.size, signal), subject), subject);
    const bytes = manifest.file.size + (manifest.sidecar?.size ?? 0);
    return { name: manifest.name, license: manifest.license, bytes, host };
  }
  // A folder in Hugging Face's form says nothing of its size.
  if (await folder.open('config.json', signal)) return { name, license: null, bytes: null, host };
  throw new DownloadError(address, 404, `there is neither ${MANIFEST_NAME} nor config.json. Check the address.`);
}

/** The size of a file that is asked for and not taken. */
async function sizeOf(address: string, signal: AbortSignal): Promise<number> {
  const enough = new AbortController();
  const file = await httpFile(address, { signal: AbortSignal.any([signal, enough.signal]) });
  enough.abort();
  if (!file) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
  return file.size;
}
