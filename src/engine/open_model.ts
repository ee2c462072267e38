/** Opens a model where a page finds it: at an address, or in chosen files. It reads headers, no weights. */
import { FormatError } from '../formats/errors.ts';
import { MANIFEST_NAME } from '../formats/manifest.ts';
import { type ModelFiles, openGgufModel, openModel } from '../formats/model_folder.ts';
import { blobFile, blobFileSet } from '../store/blob.ts';
import { DownloadError, httpFile, httpFileSet } from '../store/http.ts';
import { loadCounter, withProgress } from '../store/progress.ts';

export interface OpenModelOptions {
  /** Bytes of weights read so far, while they are read. */
  readonly onBytes?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * @param model absolute address of a model folder or of a GGUF file, or chosen files: those of a folder, or a GGUF file
 *   with at most one sidecar
 * @throws DownloadError, FormatError
 */
export function openModelAt(model: string | readonly File[], options: OpenModelOptions = {}): Promise<ModelFiles> {
  return typeof model === 'string' ? openAddress(model, options) : openChosen(model, options);
}

async function openAddress(address: string, { onBytes = () => {}, signal }: OpenModelOptions): Promise<ModelFiles> {
  const counter = loadCounter(onBytes);
  const opening = { onTotal: counter.onTotal, ...(signal ? { signal } : {}) };
  if (!new URL(address).pathname.endsWith('.gguf')) {
    return openModel(httpFileSet(address, { onBytes: counter.onBytes }), opening);
  }
  const source = await httpFile(address, { onBytes: counter.onBytes, ...(signal ? { signal } : {}) });
  if (!source) throw new DownloadError(address, 404, 'there is no such file. Check the address.');
  counter.onTotal(source.size);
  return openGgufModel(source, signal ? { signal } : {});
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
