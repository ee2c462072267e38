import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Disk } from './disk.ts';
import { diskKeeper } from './disk_keeper.ts';
import { type FileKeeper, memoryKeeper } from './kept_files.ts';
import { nodeDisk } from './node_disk.ts';

let folder = '';
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lethe-'));
});
afterAll(() => rm(folder, { recursive: true }));

const newDisk = (): Disk => nodeDisk(join(folder, `${made++}`));

const keepers: readonly (readonly [string, () => FileKeeper])[] = [
  ['memory', memoryKeeper],
  [
    'a disk',
    () => {
      const disk = newDisk();
      return diskKeeper(async () => disk);
    },
  ],
  ['no disk', () => diskKeeper(async () => null)],
];

describe.each(keepers)('files kept in %s', (_, make) => {
  it('come back by name until they are replaced or removed', async () => {
    const keeper = make();
    const names = ['a', 'A/../b', '..', 'Über 河 😀', 'x.kept', '1-a', "it's (new)*"];
    expect(await keeper.read('a')).toBeNull();
    expect(await keeper.list()).toEqual([]);
    await keeper.remove('a');
    const before = Date.now();
    for (const [i, name] of names.entries()) await keeper.write(name, Uint8Array.of(i, i));
    await keeper.write('a', Uint8Array.of(7, 8, 9));
    expect(await keeper.read('a')).toEqual(Uint8Array.of(7, 8, 9));
    expect(await keeper.read('..')).toEqual(Uint8Array.of(2, 2));
    const list = await keeper.list();
    expect(list.map(({ name }) => name).sort()).toEqual(names.toSorted());
    expect(list.find(({ name }) => name === 'a')?.bytes).toBe(3);
    for (const { modified } of list) expect(Math.abs(modified - before)).toBeLessThan(60_000);
    await keeper.remove('a');
    expect(await keeper.read('a')).toBeNull();
    expect((await keeper.list()).length).toBe(names.length - 1);
  });
  it('have a name that is a short text', async () => {
    const keeper = make();
    for (const name of ['', 'x'.repeat(201), '\ud800']) {
      await expect(keeper.write(name, new Uint8Array(1))).rejects.toThrow(/name must be a short text/);
    }
  });
});

it('keeps what was saved before when there is no room for the new', async () => {
  const disk = newDisk();
  let full = false;
  const keeper = diskKeeper(async () => ({
    ...disk,
    async folder(name) {
      const own = await disk.folder(name);
      const writer: typeof own.writer = async (file, bytes) => {
        const real = await own.writer(file, bytes);
        const write: typeof real.write = async (at, data) => {
          await real.write(at, data.subarray(0, 1));
          if (full) throw new Error('The disk is full.');
          await real.write(at, data);
        };
        return { ...real, write };
      };
      return { ...own, writer };
    },
  }));
  await keeper.write('a', Uint8Array.of(1, 2));
  full = true;
  await expect(keeper.write('a', Uint8Array.of(3, 4))).rejects.toThrow(/could not be saved.*The disk is full\./);
  expect(await keeper.read('a')).toEqual(Uint8Array.of(1, 2));
  expect(await keeper.list()).toHaveLength(1);
});
