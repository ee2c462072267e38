/** `lethe convert`: makes a model folder for static hosting out of a GGUF file or a directory with safetensors. */
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { convertModel } from '../formats/convert.ts';
import { type BesideFile, openConvertible, withTokenizer } from '../formats/convert_directory.ts';
import { parseJson } from '../formats/errors.ts';
import { openGguf } from '../formats/gguf.ts';
import { parseQuality } from '../formats/manifest.ts';
import { parseHubAddress } from '../store/hub_address.ts';
import { fileHash, folderWriter, nodeFile, nodeFileSet, sha256Hasher } from '../store/node_files.ts';
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { fileAt, filesAt, isAddress, openDownload, plainlyNamed } from './downloads.ts';
import { formatBytes, StatusLine } from './format.ts';
import { UsageError } from './usage.ts';

export const CONVERT_HELP = `lethe convert SOURCE DIR [--name NAME] [--license SPDX] [--tokenizer DIR]
                  [--sidecar FILE] [--curve FILE] [--license-file FILE] [--notice-file FILE]
    Makes a model folder for static hosting: unchanged weights in parts of at most 24 MiB, the
    eviction adapters, the licence and lethe.json. The same input gives the same bytes. SOURCE is a
    GGUF file, or a directory with config.json and safetensors, sharded ones too, on disk or at
    an address; so are --sidecar and --tokenizer, a directory to take tokenizer and chat template
    from.
    --curve takes the curve.json of \`python -m retrofit eval\`: what the adapters cost at each ratio.`;

const OPTIONS = {
  name: { type: 'string' },
  license: { type: 'string' },
  sidecar: { type: 'string' },
  curve: { type: 'string' },
  tokenizer: { type: 'string' },
  'license-file': { type: 'string' },
  'notice-file': { type: 'string' },
} as const;

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

interface Source {
  readonly source: ByteSource;
  readonly beside: readonly BesideFile[];
  readonly baseSha256?: string;
  readonly name: string;
  readonly license: string | null;
}

async function openSource(path: string): Promise<Source> {
  if (isAddress(path)) return openDownloaded(path);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return fromDirectory(nodeFileSet(path), basename(resolve(path)));
  return fromGguf(await nodeFile(path));
}

async function openDownloaded(address: string): Promise<Source> {
  const status = new StatusLine();
  const { files, source, listing, address: found } = await openDownload(address, status.onBytes);
  const from = await (files ? fromDirectory(files, repositoryName(found)) : fromGguf(source));
  status.clear();
  return { ...from, source: plainlyNamed(from.source), license: listing?.license ?? from.license };
}

async function fromDirectory(files: FileSet, name: string): Promise<Source> {
  return { ...(await openConvertible(files, fileHash)), name, license: null };
}

async function fromGguf(source: ByteSource): Promise<Source> {
  const { metadata } = await openGguf(source);
  const name = textOf(metadata['general.name']) ?? plainlyNamed(source).name.replace(/\.gguf$/, '');
  return { source, beside: [], name, license: textOf(metadata['general.license']) };
}

/** The last part of a folder's address; of one on the hub the repository's name. */
function repositoryName(address: string): string {
  return basename(parseHubAddress(address)?.repo ?? decodeURIComponent(new URL(address).pathname));
}

/** Adapters, whole: they are small beside the weights. */
async function openSidecar(path: string): Promise<BesideFile> {
  const source = await fileAt(path);
  return { name: source.name, bytes: await source.read(0, source.size) };
}

/** Runs `lethe convert ...`; resolves with the exit status. @throws UsageError, FormatError */
export async function convertCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const [path, folder, ...more] = positionals;
  if (path === undefined || folder === undefined || more.length > 0) {
    throw new UsageError(`lethe convert takes a source and a folder.\n\n${CONVERT_HELP}`);
  }
  const { sidecar, curve, tokenizer } = values;
  const { source, beside, baseSha256, name, license } = await openSource(path);
  const files = tokenizer === undefined ? beside : await withTokenizer(beside, await filesAt(tokenizer));
  const quality = curve ? parseQuality(parseJson(await readFile(curve), basename(curve)), basename(curve)) : null;
  const text = async (file: string | undefined) => (file === undefined ? null : readFile(file, 'utf8'));
  const licenseText = await text(values['license-file']);
  const noticeText = await text(values['notice-file']);
  const manifest = await convertModel(
    source,
    {
      name: values.name ?? name,
      license: values.license ?? license,
      createHasher: sha256Hasher,
      beside: files,
      ...(baseSha256 === undefined ? {} : { baseSha256 }),
      ...(sidecar ? { sidecar: await openSidecar(sidecar) } : {}),
      ...(quality ? { quality } : {}),
      ...(licenseText === null ? {} : { licenseText }),
      ...(noticeText === null ? {} : { noticeText }),
    },
    folderWriter(folder),
  );
  const { file } = manifest;
  const parts = `${file.parts.length} ${file.parts.length === 1 ? 'part' : 'parts'}`;
  process.stdout.write(`${folder}: ${manifest.name}, ${formatBytes(file.size)} in ${parts}, SHA-256 ${file.sha256}\n`);
  return 0;
}
