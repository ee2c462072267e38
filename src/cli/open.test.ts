/** Models opened from disk with other adapters than their own. No GPU is asked for. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRetrofitted } from '../engine/load_local.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { BENCH_HELP, benchCommand } from './bench.ts';
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
