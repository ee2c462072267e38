/** Where the command line finds its GPU and its models: Dawn, the disk, and addresses. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, globals } from 'webgpu';
import { type ModelFiles, openGgufModel, openModel } from '../formats/model_folder.ts';
import type { OpenGpuOptions } from '../gpu/device.ts';
import { modelAddress } from '../store/hub_address.ts';
import { fileHash, nodeFile, nodeFileSet } from '../store/node_files.ts';
import { loadCounter, withProgress } from '../store/progress.ts';
import type { ByteSource } from '../util/byte_source.ts';
import { fileAt, isAddress, openDownload } from './downloads.ts';
import { UsageError } from './usage.ts';

type DawnGpu = NonNullable<OpenGpuOptions['gpu']>;

/** Dawn crashes when its instance is collected while devices live, so it is held for the whole process. */
let dawn: DawnGpu | null = null;

/** Dawn's `navigator.gpu`; the same one each time. */
export function openDawn(): DawnGpu {
  if (!dawn) {
    Object.assign(globalThis, globals);
    dawn = create([]);
  }
  return dawn;
}

/** The default model's folder, as the repository has it: two levels above the source and above the built command. */
export function defaultModelPath(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here, '..', '..', 'public', 'models', 'smollm2-135m-instruct');
}

async function adaptersAt(path: string): Promise<ByteSource> {
  if (isAddress(path) && path.endsWith('.safetensors')) return fileAt(path);
  const found = await stat(path).catch(() => null);
  if (found?.isFile() && path.endsWith('.safetensors')) return nodeFile(path);
  const fault = found ? 'is no .safetensors file' : 'is not there';
  throw new UsageError(`${path} ${fault}. Give a .safetensors file by --adapters.`);
}

/** What `--adapters` says in the help of the commands that take it. */
export const ADAPTERS_HELP = `--adapters takes a .safetensors file with gates and low-rank updates that were trained on
    this model, in place of its own; an address will do.`;

export interface OpenPathOptions {
  /** Bytes of weights read so far, while they are read. */
  readonly onBytes?: (loaded: number, total: number) => void;
  /** A safetensors file with adapters, in place of those that the model comes with. */
  readonly adapters?: string | undefined;
}

/**
 * Opens a model folder, a directory in Hugging Face's form or a GGUF file, on disk or at an address. Beside `name.gguf`
 * on disk, adapters in `name.dms.safetensors` are taken when they were made for it.
 * @throws UsageError, FormatError, HubError, DownloadError
 */
export async function openModelPath(path: string, options: OpenPathOptions = {}): Promise<ModelFiles> {
  const other = options.adapters === undefined ? null : await adaptersAt(options.adapters);
  const adapters = other ? { adapters: { source: other, hash: fileHash } } : {};
  const { onBytes = () => {} } = options;
  if (isAddress(path)) {
    const { files, source, onTotal, listing } = await openDownload(path, onBytes);
    const model = files ? await openModel(files, { onTotal, ...adapters }) : await openGguf(source, other);
    return { ...model, license: listing?.license ?? model.license };
  }
  const found = await stat(path).catch(() => null);
  if (!found) throw new UsageError(`${path}: there is no such model. ${hint(path)}`);
  const { onBytes: onRead, onTotal } = loadCounter(onBytes);
  if (found.isDirectory()) return openModel(withProgress(nodeFileSet(path), onRead), { onTotal, ...adapters });
  if (!path.endsWith('.gguf')) throw new UsageError(`${path} is no .gguf file and no folder.`);
  const files = withProgress(nodeFileSet(dirname(path)), onRead);
  const source = (await files.open(basename(path))) ?? (await nodeFile(path));
  const sidecar = other ?? (await files.open(source.name.replace(/\.gguf$/, '.dms.safetensors')));
  onTotal(source.size + (sidecar?.size ?? 0));
  return openGguf(source, sidecar);
}

async function openGguf(source: ByteSource, sidecar: ByteSource | null): Promise<ModelFiles> {
  return openGgufModel(source, sidecar ? { sidecar, sha256: await fileHash(source) } : {});
}

function hint(path: string): string {
  const name = modelAddress(path);
  return name?.startsWith('hf:')
    ? `If the Hugging Face hub's is meant, write ${name}.`
    : 'Give a folder or a .gguf file by --model.';
}
