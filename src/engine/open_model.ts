/** Opens a model where it was found: at its own address, or in chosen files. It reads headers, no weights. */
import { FormatError } from '../formats/errors.ts';
import { MANIFEST_NAME } from '../formats/manifest.ts';
import { type ModelFiles, openGgufModel, openModel } from '../formats/model_folder.ts';
import { blobFile, blobFileSet } from '../store/blob.ts';
import type { Disk } from '../store/disk.ts';
import { DownloadError, httpFile, httpFileSet } from '../store/http.ts';
import { tokenizerAddress, withTokenizerOf } from '../store/hub_address.ts';
import { keptModel, type Listing } from '../store/kept_model.ts';
import { type LoadCounter, loadCounter, withProgress } from '../store/progress.ts';
import type { ByteSource, FileSet } from '../util/byte_source.ts';

export interface OpenModelOptions {
  /** Bytes of weights read so far, while they are read. */
  readonly onBytes?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Where downloads are kept, so that the next load needs no network; without it nothing is. */
  readonly disk?: Disk | null;
  /** What a hub says of the model at an address. */
  readonly listing?: Listing | null;
}

/**
 * @param model absolute address of a model folder or of a GGUF file, as `findModel` gives it, or chosen files: those of
 *   a folder, or a GGUF file with at most one sidecar
 * @throws DownloadError, FormatError
 */
export function openModelAt(model: string | readonly File[], options: OpenModelOptions = {}): Promise<ModelFiles> {
  return typeof model === 'string' ? openAddress(model, options) : openChosen(model, options);
}

async function openAddress(address: string, options: OpenModelOptions): Promise<ModelFiles> {
  const { signal, listing } = options;
  const { files, source, onTotal } = await openPlace(address, options);
  const aborting = signal ? { signal } : {};
  const model = await (source ? openGgufModel(source, aborting) : openModel(files, { onTotal, ...aborting }));
  return { ...model, license: listing?.license ?? model.license };
}

/** What lies at an address: one file, or a folder, of which `onTotal` wants to be told the bytes in all. */
export type Place = { readonly onTotal: LoadCounter['onTotal'] } & (
  | { readonly source: ByteSource; readonly files: null }
  | { readonly source: null; readonly files: FileSet }
);

/** Opens what lies at a model's own address, without a look at what is in it. @throws DownloadError */
export async function openPlace(address: string, options: OpenModelOptions = {}): Promise<Place> {
  const { onBytes = () => {}, signal, disk, listing = null } = options;
  const counter = loadCounter(onBytes);
  const counting = { onBytes: counter.onBytes };
  const kept = disk ? await keptModel(address, { disk, listing, ...counting }) : null;
  const onTotal = (bytes: number): void => {
    kept?.expectTotal(bytes);
    counter.onTotal(bytes);
  };
  if (!new URL(address).pathname.endsWith('.gguf')) {
    const own = kept ?? httpFileSet(address, counting);
    const other = tokenizerAddress(address);
    if (other === null) return { files: own, source: null, onTotal };
    const base = disk ? await keptModel(other, { disk }) : httpFileSet(other);
    return { files: withTokenizerOf(own, base), source: null, onTotal };
  }
  const source = await (kept
    ? kept.open('', signal)
    : httpFile(address, { ...counting, ...(signal ? { signal } : {}) }));
  if (!source) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
  onTotal(source.size);
  return { source, files: null, onTotal };
}

async function openChosen(files: readonly File[], { onBytes = () => {}, signal }: OpenModelOptions) {
  const counter = loadCounter(onBytes);
  const set = withProgress(blobFileSet(files), counter.onBytes);
  if (files.some(({ name }) => name === MANIFEST_NAME || name === 'config.json')) {
    return openModel(set, { onTotal: counter.onTotal, ...(signal ? { signal } : {}) });
  }
  const base = files.find(({ name }) => name.endsWith('.gguf'));
  if (!base) {
    const names = files.map(({ name }) => name).join(', ') || 'nothing';
    const wanted = `a .gguf file, or all files of a folder with ${MANIFEST_NAME} or config.json`;
    throw new FormatError('the chosen files', `${names} cannot be opened as a model. Choose ${wanted}.`);
  }
  const sidecar = files.find(({ name }) => name.endsWith('.safetensors'));
  counter.onTotal(base.size + (sidecar?.size ?? 0));
  const source = (await set.open(base.name, signal)) ?? blobFile(base);
  return openGgufModel(source, {
    ...(sidecar ? { sidecar: blobFile(sidecar) } : {}),
    ...(signal ? { signal } : {}),
  });
}
