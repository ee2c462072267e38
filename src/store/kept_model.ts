/**
 * Models that are kept: a folder of the disk for each address. Small files are asked for anew and kept for the time
 * without a connection; weights are fetched once.
 */
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { type Disk, type DiskFolder, jsonBytes, parsed, sha256 } from './disk.ts';
import { DownloadError, httpFile } from './http.ts';
import { askedOfHub, hubName } from './hub_address.ts';
import { isComplete, type KeepOptions, KeptFile, keptBytes, readRecord } from './kept_file.ts';

/** What a hub says of a model that was found by asking it. */
export interface Listing {
  /** What was asked for, such as `hf:owner/name`. */
  readonly name: string;
  readonly license: string | null;
}

/** A model of which something is kept. */
export interface KeptModelInfo {
  /** Absolute address of the folder or file. */
  readonly address: string;
  /** Null where no hub was asked. */
  readonly listing: Listing | null;
  /** Bytes on disk. */
  readonly bytes: number;
  /** True when all that was begun is whole. */
  readonly complete: boolean;
}

/** Says whose folder it is, by its `Owner`. No file of a model has this name, since records end in two suffixes. */
const OWNER = 'model';
const SMALL = /\.(json|jinja|txt)$/;

type Owner = Pick<KeptModelInfo, 'address' | 'listing'>;

async function ownerOf(folder: DiskFolder): Promise<Owner | null> {
  const file = await folder.open(OWNER);
  if (!file) return null;
  const { address, listing = null } = parsed(await file.read(0, file.size)) as Partial<Owner> & Pick<Owner, 'address'>;
  return { address, listing };
}

async function folderFor(address: string): Promise<string> {
  return (await sha256(new TextEncoder().encode(address))).slice(0, 32);
}

export interface KeptSet extends FileSet {
  /** Told the bytes of the whole model, so that room is asked for before the first of them. */
  expectTotal(bytes: number): void;
}

export interface KeepModelOptions extends KeepOptions {
  /** Default: what is kept of it already. */
  readonly listing?: Listing | null;
}

/**
 * The files at an address, kept as they are read.
 * @param address of a folder, or of one file: then `open('')` opens that
 */
export async function keptModel(address: string, options: KeepModelOptions): Promise<KeptSet> {
  const { disk, listing } = options;
  const base = new URL(address).href;
  const folder = await disk.folder(await folderFor(base));
  await disk.alone(base, async () => {
    const owner: Owner = { address: base, listing: listing ?? (await ownerOf(folder))?.listing ?? null };
    await folder.put(OWNER, jsonBytes(owner));
  });
  let total: number | null = null;
  const stillNeeded = async (): Promise<number> => {
    if (total === null) return 0;
    const records = await recordsOf(folder);
    return total - records.reduce((sum, record) => sum + keptBytes(record), 0);
  };
  return {
    name: base,
    expectTotal(bytes) {
      total = bytes;
    },
    async open(name, signal, expected) {
      const url = name === '' ? base : new URL(name, base.endsWith('/') ? base : `${base}/`).href;
      const file = encodeURIComponent(name === '' ? 'file' : name);
      if (SMALL.test(name)) return small({ disk, folder, url, name: file }, signal);
      const kept = { ...options, folder, url, name: file, stillNeeded };
      return KeptFile.open(expected ? { ...kept, expected } : kept, signal);
    },
  };
}

interface SmallFile {
  readonly disk: Disk;
  readonly folder: DiskFolder;
  readonly url: string;
  readonly name: string;
}

/** A file that says what others are: the server's, or the kept one where the server cannot be asked. */
async function small({ disk, folder, url, name }: SmallFile, signal?: AbortSignal): Promise<ByteSource | null> {
  try {
    const found = await httpFile(url, signal ? { signal } : {});
    if (!found) {
      await folder.remove(name);
      return null;
    }
    const bytes = await found.read(0, found.size, signal);
    await disk.alone(url, () => folder.put(name, bytes));
    return { name: url, size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  } catch (cause) {
    signal?.throwIfAborted();
    const unreachable = cause instanceof DownloadError && (cause.status === null || cause.status >= 500);
    const kept = unreachable ? await folder.open(name) : null;
    if (kept) return kept;
    throw cause;
  }
}

async function recordsOf(folder: DiskFolder) {
  const names = await folder.names();
  // The record of `a` is `a.json`; a small file `a.json` has no data beside it.
  const data = names.filter((name) => names.includes(`${name}.json`));
  const records = await Promise.all(data.map((name) => readRecord(folder, name)));
  return records.filter((record) => record !== null);
}

/** Every model of which something is kept. */
export async function keptModels(disk: Disk): Promise<KeptModelInfo[]> {
  const found: KeptModelInfo[] = [];
  for (const name of await disk.folders()) {
    const folder = await disk.folder(name);
    const owner = await ownerOf(folder);
    if (!owner) continue;
    const records = await recordsOf(folder);
    const bytes = records.reduce((sum, record) => sum + keptBytes(record), 0);
    if (bytes > 0) found.push({ ...owner, bytes, complete: records.every(isComplete) });
  }
  return found;
}

/** The whole copy of what an address means, that of a hub's repository included; null where there is none. */
export async function keptCopy(disk: Disk, address: string): Promise<KeptModelInfo | null> {
  const copies = (await keptModels(disk)).filter(({ complete }) => complete);
  return copies.find(meantBy(address)) ?? null;
}

/** Removes what is kept of the model at an address; nothing happens where nothing is. */
export async function forgetModel(disk: Disk, address: string): Promise<void> {
  const meant = (await keptModels(disk)).filter(meantBy(address)).map((kept) => kept.address);
  for (const one of [address, ...meant]) await disk.removeFolder(await folderFor(new URL(one).href));
}

function meantBy(address: string): (kept: Owner) => boolean {
  const asked = askedOfHub(address);
  const name = asked && hubName(asked);
  const { href } = new URL(address);
  return (kept) => (name === null ? kept.address === href : kept.listing?.name === name);
}
