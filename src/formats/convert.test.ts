import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sha256Hasher } from '../store/node_files.ts';
import type { ByteSource } from '../util/byte_source.ts';
import { convertModel } from './convert.ts';
import { ggufFixture } from './gguf_fixture.ts';
import { LARGEST_PART_BYTES, parseManifest, parseQuality } from './manifest.ts';
import { writeSafetensors } from './safetensors.ts';
import { memorySource, PartedSource } from './sources.ts';

const folder = new URL('../../public/models/smollm2-135m-instruct/', import.meta.url);
const curve = new URL('../../docs/quality/default_model/curve.json', import.meta.url);
const bytesOf = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)));

describe('converting', () => {
  it('makes the default model folder that is in the repository, byte for byte, one part at a time', async () => {
    const manifest = parseManifest(JSON.parse(readFileSync(new URL('lethe.json', folder), 'utf8')), 'lethe.json');
    const { file } = manifest;
    const joined = new PartedSource(file.name, file.parts, async ({ name }) => memorySource(name, bytesOf(name)));
    let largest = 0;
    const source: ByteSource = {
      name: joined.name,
      size: joined.size,
      read: (offset, length) => {
        largest = Math.max(largest, length);
        return joined.read(offset, length);
      },
    };
    const sidecarName = manifest.sidecar?.name ?? '';
    const written: string[] = [];
    await convertModel(
      source,
      {
        name: manifest.name,
        license: manifest.license,
        licenseText: readFileSync(new URL('LICENSE', folder), 'utf8'),
        noticeText: readFileSync(new URL('NOTICE', folder), 'utf8'),
        sidecar: { name: sidecarName, bytes: bytesOf(sidecarName) },
        quality: parseQuality(JSON.parse(readFileSync(curve, 'utf8')), 'curve.json'),
        createHasher: sha256Hasher,
      },
      async (name, bytes) => {
        written.push(name);
        expect(Buffer.compare(bytes, bytesOf(name)), name).toBe(0);
      },
    );
    expect(written).toEqual([...file.parts.map(({ name }) => name), sidecarName, 'LICENSE', 'NOTICE', 'lethe.json']);
    expect(largest).toBeLessThanOrEqual(LARGEST_PART_BYTES);
  });

  const base = memorySource('t.gguf', ggufFixture({ metadata: [['general.architecture', 'llama']] }));
  const options = { name: 'T', license: null, createHasher: sha256Hasher };
  const refuse = (source: ByteSource, more: object, message: RegExp) => async () => {
    const written: string[] = [];
    const write = async (name: string) => void written.push(name);
    await expect(convertModel(source, { ...options, ...more }, write)).rejects.toThrow(message);
    expect(written).toEqual([]);
  };
  const other = writeSafetensors({}, { base_sha256: '0'.repeat(64) });
  it(
    'refuses what is no GGUF file',
    refuse(memorySource('a.gguf', new Uint8Array(99)), {}, /a\.gguf: it begins with 0x0/),
  );
  it(
    'refuses another kind of file',
    refuse(memorySource('a.bin', new Uint8Array(99)), {}, /only \.gguf and \.safetensors files/),
  );
  it(
    'refuses a name that no host serves',
    refuse(memorySource('a b.gguf', new Uint8Array(99)), {}, /a b\.gguf is not a plain/),
  );
  const quality = [{ offset: 8, ratio: 4, perplexity: 0.01, kl: 0.03 }];
  it('refuses a curve without adapters', refuse(base, { quality }, /the curve: it belongs to a sidecar/));
  it('refuses adapters of another base', refuse(base, { sidecar: { name: 's', bytes: other } }, /s: these adapters/));
});
