/** Models opened from disk, with other adapters than their own, and from addresses. No GPU is asked for. */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isRetrofitted } from '../engine/load_local.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { type HubServer, leadToHub, serveHub } from '../store/hub_server.ts';
import { BENCH_HELP, benchCommand } from './bench.ts';
import { convertCommand } from './convert.ts';
import { EVAL_HELP, evalCommand } from './eval.ts';
import { openModelPath } from './open.ts';
import { UsageError } from './usage.ts';

const fixture = (path: string) => fileURLToPath(new URL(`../../e2e/fixtures/${path}`, import.meta.url));
const MICRO = fixture('micro');
const RETROFIT = fixture('retrofit');
let scratch = '';
let adapters = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'lethe-open-'));
  adapters = join(scratch, 'other.safetensors');
  const { file } = JSON.parse(await readFile(join(MICRO, 'lethe.json'), 'utf8'));
  const gate = { shape: [2, 256], data: new Float32Array(512) };
  const metadata = { variant: 'adapter', window: '24', scale: '100', offset: '5', base_sha256: file.sha256 };
  await writeFile(adapters, writeSafetensors({ 'model.layers.0.self_attn.dms_proj_alpha.weight': gate }, metadata));
  await copyFile(join(MICRO, 'micro.gguf.part000'), join(scratch, 'micro.gguf'));
  await copyFile(join(MICRO, 'micro.dms.safetensors'), join(scratch, 'micro.dms.safetensors'));
});

afterAll(() => rm(scratch, { recursive: true }));

test('takes other adapters in place of those of a folder or beside a file', async () => {
  for (const path of [MICRO, join(scratch, 'micro.gguf')]) {
    const own = await openModelPath(path);
    expect(own.sidecar?.metadata.window, path).toBe('16');
    const files = await openModelPath(path, { adapters });
    expect(files.sidecar?.metadata.window, path).toBe('24');
    expect(files.byteLength - own.byteLength).toBe((await readFile(adapters)).length - 6856);
  }
});

test("gives a directory in Hugging Face's form adapters, and refuses those of another base", async () => {
  expect((await openModelPath(RETROFIT)).sidecar).toBeNull();
  const files = await openModelPath(RETROFIT, { adapters: join(RETROFIT, 'sidecar.safetensors') });
  expect(files.sidecar?.metadata.lora_rank).toBe('8');
  for (const path of [RETROFIT, join(scratch, 'micro.gguf'), MICRO]) {
    const wrong = path === RETROFIT ? adapters : join(RETROFIT, 'sidecar.safetensors');
    await expect(openModelPath(path, { adapters: wrong })).rejects.toThrow(
      /these adapters were trained on a file with/,
    );
  }
});

test('says what is wrong with --adapters', async () => {
  const absent = openModelPath(MICRO, { adapters: join(scratch, 'absent.safetensors') });
  await expect(absent).rejects.toThrow(/absent\.safetensors is not there\. Give a \.safetensors file by --adapters/);
  await expect(absent).rejects.toThrow(UsageError);
  const gguf = openModelPath(MICRO, { adapters: join(scratch, 'micro.gguf') });
  await expect(gguf).rejects.toThrow(/micro\.gguf is no \.safetensors file/);
});

test('the commands that measure take it, and their help says so', async () => {
  const absent = ['--model', MICRO, '--adapters', join(scratch, 'absent.safetensors')];
  const ids = ['--ids', join(scratch, 'ids.json'), '--out', join(scratch, 'out.safetensors')];
  await expect(evalCommand(['logits', ...absent, ...ids])).rejects.toThrow('by --adapters');
  await expect(evalCommand(['ppl', ...absent, '--text', 'text'])).rejects.toThrow('by --adapters');
  await expect(benchCommand(absent)).rejects.toThrow('by --adapters');
  for (const help of [BENCH_HELP, EVAL_HELP]) expect(help).toContain('--adapters');
});

test('a model is retrofitted by what it is given', async () => {
  expect(isRetrofitted(await openModelPath(MICRO))).toBe(true);
  expect(isRetrofitted(await openModelPath(MICRO, { adapters }))).toBe(true);
  const bare = join(scratch, 'bare.gguf');
  await copyFile(join(scratch, 'micro.gguf'), bare);
  expect(isRetrofitted(await openModelPath(bare))).toBe(false);
});

async function filesOf(folder: string): Promise<Record<string, Uint8Array>> {
  const names = (await readdir(folder)).filter((name) => !/gguf|expected/.test(name));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])));
}

describe('a repository of the hub', () => {
  let hub: HubServer;
  let back = (): void => {};
  const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);

  beforeAll(async () => {
    const gguf = await readFile(join(MICRO, 'micro.gguf.part000'));
    hub = await serveHub({
      'tiny/Micro-GGUF': { files: { 'micro-Q8_0.gguf': gguf }, tags: ['license:cc-by-nc-4.0'] },
      'tiny/Qwen': { files: await filesOf(fixture('families/qwen2')), cardData: { license: 'mit' } },
      'tiny/Gates': { files: { 'v1/other.safetensors': await readFile(adapters), ...(await filesOf(RETROFIT)) } },
      'tiny/Locked': { files: { 'model.safetensors': gguf }, gated: 'manual' },
    });
    back = leadToHub(hub);
    vi.stubEnv('LETHE_CACHE', join(scratch, 'cache'));
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    told.mockRestore();
    back();
    await hub.close();
  });

  test('is told of before it is downloaded, and kept', async () => {
    const open = async () => {
      const files = await openModelPath('hf:tiny/Micro-GGUF');
      return [files.license, (await files.checkpoint.read('model.norm.weight')).length];
    };
    expect(await open()).toEqual(['cc-by-nc-4.0', 256 * 4]);
    const words = 'Downloading tiny/Micro-GGUF from huggingface.co: licence cc-by-nc-4.0, 821 kB.\n';
    expect(told.mock.calls.map(([text]) => text)).toEqual([words]);
    const questions = hub.asked.filter((path) => path.startsWith('/api/')).length;
    expect(await open()).toEqual(['cc-by-nc-4.0', 256 * 4]);
    expect(told).toHaveBeenCalledTimes(1);
    expect(hub.asked.filter((path) => path.startsWith('/api/'))).toHaveLength(questions);
  });

  test('takes other adapters', async () => {
    const files = await openModelPath('hf:tiny/Micro-GGUF', { adapters });
    expect(files.sidecar?.metadata.window).toBe('24');
  });

  test('lends its adapters and its tokenizer to a base from another one', async () => {
    const other = 'hf:tiny/Gates@main/v1/other.safetensors';
    const files = await openModelPath('hf:tiny/Micro-GGUF', { adapters: other });
    expect(files.sidecar?.metadata.window).toBe('24');
    const folder = join(scratch, 'lent');
    vi.spyOn(process.stdout, 'write').mockReturnValueOnce(true);
    await convertCommand(['hf:tiny/Micro-GGUF', folder, '--sidecar', other, '--tokenizer', 'hf:tiny/Gates']);
    const made = await openModelPath(folder);
    expect(made.sidecar?.metadata.window).toBe('24');
    expect(made.tokenizerJson).toEqual(JSON.parse(await readFile(join(RETROFIT, 'tokenizer.json'), 'utf8')));
    const absent = openModelPath(MICRO, { adapters: 'hf:tiny/Gates/absent.safetensors' });
    await expect(absent).rejects.toThrow('hf:tiny/Gates/absent.safetensors: there is no such file');
  });

  test.each([
    ['hf:tiny/Micro-GGUF', { name: 'Micro', license: 'cc-by-nc-4.0' }, 'micro-Q8_0.gguf'],
    ['hf:tiny/Qwen', { name: 'Qwen', license: 'mit' }, 'model.safetensors'],
  ])('%s is converted as its files would be', async (address, named, file) => {
    const folder = join(scratch, file);
    vi.spyOn(process.stdout, 'write').mockReturnValueOnce(true);
    expect(await convertCommand([address, folder])).toBe(0);
    const manifest = JSON.parse(await readFile(join(folder, 'lethe.json'), 'utf8'));
    expect(manifest).toMatchObject({ ...named, file: { name: file, parts: [{ name: `${file}.part000` }] } });
    const parts = await readFile(join(folder, `${file}.part000`));
    const own = file.endsWith('gguf') ? join(MICRO, 'micro.gguf.part000') : join(fixture('families/qwen2'), file);
    expect(parts.equals(await readFile(own))).toBe(true);
  });

  test('that cannot be had says why', async () => {
    await expect(openModelPath('hf:tiny/Locked')).rejects.toThrow(/wants you to sign in .* and Lethe signs nobody in/);
    await expect(openModelPath('hf:tiny/Absent')).rejects.toThrow('tiny/Absent: the hub knows no such public model');
    await expect(openModelPath('tiny/Micro-GGUF')).rejects.toThrow(/no such model.*write hf:tiny\/Micro-GGUF/);
  });
});
