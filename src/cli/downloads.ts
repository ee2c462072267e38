/** Models from a server, for the command line: said what they are before they are downloaded, and kept on disk. */
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { type FoundAddress, findAddress } from '../engine/find_model.ts';
import { readOffer } from '../engine/model_offer.ts';
import { openPlace, type Place } from '../engine/open_model.ts';
import type { Disk } from '../store/disk.ts';
import { DownloadError } from '../store/http.ts';
import { hubFileAddress, parseHubAddress } from '../store/hub_address.ts';
import { keptCopy, keptModel } from '../store/kept_model.ts';
import { nodeDisk } from '../store/node_disk.ts';
import { nodeFile, nodeFileSet } from '../store/node_files.ts';
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { formatBytes } from './format.ts';

/** What MODEL may be, in the help of the commands. */
export const MODEL_HELP = `MODEL is a model folder, a directory with config.json and safetensors, or a .gguf file; the
address of one of these; or a repository of the Hugging Face hub, as hf:owner/name, with
@revision and /file.gguf where they are meant. What is downloaded is told first (name, licence,
size), and kept in ~/.cache/lethe or where LETHE_CACHE says.`;

/** True for what is no path of this machine. */
export function isAddress(text: string): boolean {
  return /^(hf|https?):/.test(text);
}

export type Download = FoundAddress & Place;

function downloadsDisk(): Disk {
  return nodeDisk(join(process.env.LETHE_CACHE ?? join(homedir(), '.cache', 'lethe'), 'models'));
}

/**
 * Opens what lies at an address, and says what it is where something must be downloaded.
 * @throws HubError, DownloadError
 */
export async function openDownload(
  address: string,
  onBytes: (loaded: number, total: number) => void = () => {},
): Promise<Download> {
  const disk = downloadsDisk();
  const bytes = (await keptCopy(disk, address)) ? null : await announce(address);
  const found = await findAddress(address, { disk: async () => disk });
  const place = await openPlace(found.address, { disk, listing: found.listing, onBytes });
  if (bytes !== null) place.onTotal(bytes);
  return { ...found, ...place };
}

/** A file or folder that goes with a model: its own address, or the hub's in short. */
function keptBeside(address: string): Promise<FileSet> {
  const onHub = parseHubAddress(address);
  return keptModel(onHub ? hubFileAddress(onHub) : address, { disk: downloadsDisk() });
}

/** A file on disk or at an address, such as `hf:owner/name/file`. @throws Error; DownloadError where there is none */
export async function fileAt(path: string): Promise<ByteSource> {
  if (!isAddress(path)) return nodeFile(path);
  const file = await (await keptBeside(path)).open('');
  if (!file) throw new DownloadError(path, 404, 'there is no such file. Check the address.');
  return plainlyNamed(file);
}

/** The files of a folder on disk or at an address, such as `hf:owner/name`. */
export async function filesAt(path: string): Promise<FileSet> {
  return isAddress(path) ? keptBeside(path) : nodeFileSet(path);
}

/** A file at an address has the address for a name; this one has the file's. */
export function plainlyNamed(source: ByteSource): ByteSource {
  const name = decodeURIComponent(basename(source.name));
  return { name, size: source.size, read: (offset, length, signal) => source.read(offset, length, signal) };
}

/** Says what will be downloaded. @returns its bytes; null where the server does not say */
async function announce(address: string): Promise<number | null> {
  const { name, license, bytes, host } = await readOffer(address);
  const size = bytes === null ? 'size not told' : formatBytes(bytes);
  process.stderr.write(`Downloading ${name} from ${host}: licence ${license ?? 'not told'}, ${size}.\n`);
  return bytes;
}
