/** `lethe convert` against the committed micro model: the same source gives the same folder, byte for byte. */
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convertCommand } from './convert.ts';
import { UsageError } from './usage.ts';

const MICRO = fileURLToPath(new URL('../../e2e/fixtures/micro', import.meta.url));
let scratch = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'lethe-convert-'));
  await copyFile(join(MICRO, 'micro.gguf.part000'), join(scratch, 'micro.gguf'));
});

afterAll(() => rm(scratch, { recursive: true }));

test('makes the committed folder again, twice the same', async () => {
  const license = ['--license', 'Apache-2.0', '--license-file', join(MICRO, 'LICENSE')];
  const sidecar = ['--sidecar', join(MICRO, 'micro.dms.safetensors')];
  for (const folder of ['first', 'second']) {
    const out = join(scratch, folder);
    const argv = [join(scratch, 'micro.gguf'), out, '--name', 'Micro', ...license, ...sidecar];
    expect(await convertCommand(argv)).toBe(0);
    expect((await readdir(out)).sort()).toEqual((await readdir(MICRO)).sort());
    for (const name of await readdir(MICRO)) {
      const same = (await readFile(join(out, name))).equals(await readFile(join(MICRO, name)));
      expect(same, name).toBe(true);
    }
  }
});

test('takes name and licence from the file, and needs neither adapters nor licence text', async () => {
  const out = join(scratch, 'bare');
  await convertCommand([join(scratch, 'micro.gguf'), out]);
  expect((await readdir(out)).sort()).toEqual(['lethe.json', 'micro.gguf.part000']);
  const manifest = JSON.parse(await readFile(join(out, 'lethe.json'), 'utf8'));
  expect(manifest).toMatchObject({ name: 'Micro', license: 'apache-2.0', sidecar: null });
});

test('refuses what it does not know, by name', async () => {
  await expect(convertCommand(['only-one.gguf'])).rejects.toThrow(UsageError);
  await expect(convertCommand(['a.gguf', 'b', '--quantise', '4'])).rejects.toThrow('--quantise');
  await expect(convertCommand([join(scratch, 'absent.gguf'), scratch])).rejects.toThrow('absent.gguf');
});
