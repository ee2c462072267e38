import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileSet } from '../util/byte_source.ts';
import { blobFileSet } from './blob.ts';
import { folderWriter, nodeFile, nodeFileSet, sha256Hasher } from './node_files.ts';
import { loadCounter, withProgress } from './progress.ts';

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lethe-'));
  await folderWriter(join(folder, 'new'))('a.bin', bytes);
});
afterAll(() => rm(folder, { recursive: true }));

/** `File` is a global of browsers and of Node from 20 on. */
const sets: readonly (readonly [string, () => FileSet])[] = [
  ['disk', () => nodeFileSet(join(folder, 'new'))],
  ['chosen files', () => blobFileSet([new File([bytes], 'a.bin')])],
];

describe.each(sets)('files from %s', (_, make) => {
  it('are read by range', async () => {
    const file = await make().open('a.bin');
    expect([file?.name, file?.size]).toEqual(['a.bin', 100]);
    expect(await file?.read(98, 2)).toEqual(bytes.subarray(98));
    expect(await file?.read(0, 100)).toEqual(bytes);
    expect(await file?.read(50, 0)).toEqual(new Uint8Array(0));
  });
  it('are null where they are not there', async () => {
    expect(await make().open('b.bin')).toBeNull();
  });
  it('refuse a read past their end, and one that is stopped', async () => {
    const file = await make().open('a.bin');
    await expect(file?.read(99, 2)).rejects.toThrow(/a\.bin: .*were asked for/);
    await expect(file?.read(0, 2, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  });
});

describe('disk', () => {
  it('names a file that is missing, and takes a folder for none', async () => {
    await expect(nodeFile(join(folder, 'none.gguf'))).rejects.toThrow(/none\.gguf: there is no such file/);
    expect(await nodeFileSet(folder).open('new')).toBeNull();
    expect(await nodeFileSet(join(folder, 'nowhere')).open('a')).toBeNull();
  });
  it('hashes as it goes', async () => {
    const hasher = sha256Hasher();
    hasher.update(bytes.subarray(0, 40));
    hasher.update(bytes.subarray(40));
    const whole = createHash('sha256').update(await readFile(join(folder, 'new', 'a.bin')));
    expect(hasher.digest()).toBe(whole.digest('hex'));
  });
});

describe('progress', () => {
  it('counts the bytes that are read', async () => {
    let counted = 0;
    const set = withProgress(blobFileSet([new File([bytes], 'a.bin')]), (more) => {
      counted += more;
    });
    const file = await set.open('a.bin');
    await file?.read(0, 60);
    await file?.read(40, 60);
    expect(counted).toBe(120);
    expect(await set.open('b')).toBeNull();
  });
  it('reports from the total on, never more than it', () => {
    const reports: [number, number][] = [];
    const counter = loadCounter((loaded, total) => reports.push([loaded, total]));
    counter.onBytes(7);
    counter.onTotal(100);
    counter.onBytes(60);
    counter.onBytes(60);
    expect(reports).toEqual([
      [0, 100],
      [60, 100],
      [100, 100],
    ]);
  });
});
