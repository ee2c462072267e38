/** `lethe convert`: makes a model folder for static hosting out of a GGUF file. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { convertModel } from '../formats/convert.ts';
import { openGguf } from '../formats/gguf.ts';
import { folderWriter, nodeFile, sha256Hasher } from '../store/node_files.ts';
import { formatBytes } from './format.ts';
import { UsageError } from './usage.ts';

export const CONVERT_HELP = `lethe convert SOURCE.gguf DIR [--name NAME] [--license SPDX]
                  [--sidecar FILE] [--license-file FILE] [--notice-file FILE]
    Makes a model folder for static hosting: the file's unchanged bytes in parts of at most
    24 MiB, the eviction adapters, the licence and lethe.json. The same input gives the same bytes.`;

const OPTIONS = {
  name: { type: 'string' },
  license: { type: 'string' },
  sidecar: { type: 'string' },
  'license-file': { type: 'string' },
  'notice-file': { type: 'string' },
} as const;

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Runs `lethe convert ...`; resolves with the exit status. @throws UsageError, FormatError */
export async function convertCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const [path, folder, ...more] = positionals;
  if (path === undefined || folder === undefined || more.length > 0) {
    throw new UsageError(`lethe convert takes a source and a folder.\n\n${CONVERT_HELP}`);
  }
  const source = await nodeFile(path);
  const { metadata } = await openGguf(source);
  const { sidecar } = values;
  const text = async (file: string | undefined) => (file === undefined ? null : readFile(file, 'utf8'));
  const licenseText = await text(values['license-file']);
  const noticeText = await text(values['notice-file']);
  const manifest = await convertModel(
    source,
    {
      name: values.name ?? textOf(metadata['general.name']) ?? source.name.replace(/\.gguf$/, ''),
      license: values.license ?? textOf(metadata['general.license']),
      createHasher: sha256Hasher,
      ...(sidecar ? { sidecar: { name: basename(sidecar), bytes: new Uint8Array(await readFile(sidecar)) } } : {}),
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
