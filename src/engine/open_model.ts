/** Opens a model where a page finds it: at an address, or in chosen files. It reads headers, no weights. */
import { FormatError } from '../formats/errors.ts';
import { MANIFEST_NAME } from '../formats/manifest.ts';
import { type ModelFiles, openGgufModel, openModel } from '../formats/model_folder.ts';
import { blobFile, blobFileSet } from '../store/blob.ts';
import type { Disk } from '../store/disk.ts';
import { DownloadError, httpFile, httpFileSet } from '../store/http.ts';
import { tokenizerAddress, withTokenizerOf } from '../store/hub_address.ts';
import { keptModel } from '../store/kept_model.ts';
import { loadCounter, withProgress } from '../store/progress.ts';

export interface OpenModelOptions {
  /** Bytes of weights read so far, while they are read. */
  readonly onBytes?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Where downloads are kept, so that the next load needs no network; without it nothing is. */
  readonly disk?: Disk | null;
}

/**
 * @param model absolute address of a model folder or of a GGUF file, or chosen files: those of a folder, or a GGUF file
 *   with at most one sidecar
 * @throws DownloadError, FormatError
 */
export function openModelAt(model: string | readonly File[], options: OpenModelOptions = {}): Promise<ModelFiles> {
  return typeof model === 'string' ? openAddress(model, options) : openChosen(model, options);
}

async function openAddress(address: string, options: OpenModelOptions): Promise<ModelFiles> {
  const { onBytes = () => {}, signal, disk } = options;
  const counter = loadCounter(onBytes);
  const aborting = signal ? { signal } : {};
  const counting = { onBytes: counter.onBytes };
  const kept = disk ? await keptModel(address, { disk, ...counting }) : null;
  const onTotal = (bytes: number): void => {
    kept?.expectTotal(bytes);
    counter.onTotal(bytes);
  };
  if (!new URL(address).pathname.endsWith('.gguf')) {
    const files = kept ?? httpFileSet(address, counting);
    const other = tokenizerAddress(address);
    if (other === null) return openModel(files, { onTotal, ...aborting });
    const base = disk ? await keptModel(other, { disk }) : httpFileSet(other);
    return openModel(withTokenizerOf(files, base), { onTotal, ...aborting });
  }
  const source = await (kept ? kept.open('', signal) : httpFile(address, { ...counting, ...aborting }));
  if (!source) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
  onTotal(source.size);
  return openGgufModel(source, aborting);
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
