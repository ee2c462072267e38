/** `lethe convert` against the committed micro model: the same source gives the same folder, byte for byte. */
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModel } from '../formats/model_folder.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import type { Checkpoint } from '../formats/tensor.ts';
import { readPacked } from '../formats/weight_choice.ts';
import { describeModel } from '../model/load.ts';
import { heldAs } from '../model/weights.ts';
import { fileHash, nodeFile, nodeFileSet } from '../store/node_files.ts';
import { defined } from '../util/assert.ts';
import { f16ToF32 } from '../util/f16.ts';
import { createRng } from '../util/rng.ts';
import { convertCommand } from './convert.ts';
import { UsageError } from './usage.ts';

const RETROFIT = fileURLToPath(new URL('../../e2e/fixtures/retrofit', import.meta.url));
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

test('writes the curve of an evaluation, and refuses what is none', async () => {
  const [out, curve] = [join(scratch, 'measured'), join(scratch, 'curve.json')];
  const points = [{ offset: -2.8, ratio: 1.9, perplexity: 0.01, kl: 0.02 }];
  const argv = [join(scratch, 'micro.gguf'), out, '--sidecar', join(MICRO, 'micro.dms.safetensors'), '--curve', curve];
  await writeFile(curve, JSON.stringify(points));
  await convertCommand(argv);
  expect(JSON.parse(await readFile(join(out, 'lethe.json'), 'utf8')).quality).toEqual(points);
  await writeFile(curve, '{"offset": 1}');
  await expect(convertCommand(argv)).rejects.toThrow('curve.json: expected a list of points');
});

test('takes name and licence from the file, and needs neither adapters nor licence text', async () => {
  const out = join(scratch, 'bare');
  await convertCommand([join(scratch, 'micro.gguf'), out]);
  expect((await readdir(out)).sort()).toEqual(['lethe.json', 'micro.gguf.part000']);
  const manifest = JSON.parse(await readFile(join(out, 'lethe.json'), 'utf8'));
  expect(manifest).toMatchObject({ name: 'Micro', license: 'apache-2.0', sidecar: null });
});

async function bytesOf(checkpoint: Checkpoint): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of checkpoint.tensors.keys()) all[name] = Buffer.from(await checkpoint.read(name)).toString('base64');
  return all;
}

test('a directory with safetensors, adapters and tokenizer opens again with the same bytes', async () => {
  const [out, hashed] = [join(scratch, 'retrofit'), join(RETROFIT, 'sidecar.safetensors')];
  await convertCommand([RETROFIT, out, '--sidecar', hashed, '--license', 'Apache-2.0']);
  const [made, given] = [await openModel(nodeFileSet(out)), await openModel(nodeFileSet(RETROFIT))];
  expect(await bytesOf(made.checkpoint)).toEqual(await bytesOf(given.checkpoint));
  expect(made.sidecar?.metadata).toMatchObject({ variant: 'adapter', base_sha256: expect.any(String) });
  for (const key of ['config', 'tokenizerJson', 'tokenizerConfig', 'chatTemplate', 'generation'] as const) {
    expect(made[key], key).toEqual(given[key]);
  }
  expect(made).toMatchObject({ name: 'retrofit', license: 'Apache-2.0' });
});

test('shards become one file, and adapters still know it by the hash of the shards', async () => {
  const [folder, out] = [join(scratch, 'sharded'), join(scratch, 'joined')];
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  await cp(RETROFIT, folder, { recursive: true });
  await rm(join(folder, 'model.safetensors'));
  const tensor = (from: number, ...shape: number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i),
  });
  await writeFile(join(folder, shards[0]), writeSafetensors({ 'b.weight': tensor(1, 3, 5), 'a.weight': tensor(2, 7) }));
  await writeFile(join(folder, shards[1]), writeSafetensors({ 'c.weight': tensor(3, 2, 2) }));
  const weight_map = { 'a.weight': shards[0], 'b.weight': shards[0], 'c.weight': shards[1] };
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  const hashes = [];
  for (const shard of shards) hashes.push(await fileHash(await nodeFile(join(folder, shard))));
  await writeFile(join(scratch, 'hashes'), hashes.join(''));
  const base_sha256 = await fileHash(await nodeFile(join(scratch, 'hashes')));
  await writeFile(join(folder, 'own.safetensors'), writeSafetensors({ g: tensor(0, 1) }, { base_sha256 }));

  await convertCommand([folder, out, '--sidecar', join(folder, 'own.safetensors')]);
  const [made, given] = [await openModel(nodeFileSet(out)), await openModel(nodeFileSet(folder))];
  expect(await bytesOf(made.checkpoint)).toEqual(await bytesOf(given.checkpoint));
  expect(made.sidecar?.tensors.has('g')).toBe(true);
  const other = ['--sidecar', join(RETROFIT, 'sidecar.safetensors')];
  await expect(convertCommand([folder, out, ...other])).rejects.toThrow('these adapters were trained on');
});

test('takes tokenizer and template from another directory', async () => {
  const [other, out] = [join(scratch, 'words'), join(scratch, 'reworded')];
  await cp(RETROFIT, other, { recursive: true });
  await writeFile(join(other, 'tokenizer_config.json'), '{"chat_template": "other"}');
  await writeFile(join(other, 'config.json'), '{"model_type": "other"}');
  await convertCommand([RETROFIT, out, '--tokenizer', other]);
  const made = await openModel(nodeFileSet(out));
  expect(made.tokenizerConfig).toEqual({ chat_template: 'other' });
  expect(made.config?.model_type).not.toBe('other');
  // A GGUF file's own vocabulary gives way too.
  await convertCommand([join(scratch, 'micro.gguf'), join(scratch, 'micro2'), '--tokenizer', other]);
  expect((await openModel(nodeFileSet(join(scratch, 'micro2')))).tokenizerConfig).toEqual({ chat_template: 'other' });
  await expect(convertCommand([RETROFIT, out, '--tokenizer', MICRO])).rejects.toThrow('it has no tokenizer.json');
});

test('rows that carry the eviction bit stay as they were, however the other weights are held', async () => {
  const [folder, out] = [join(scratch, 'borrowed'), join(scratch, 'borrowed-folder')];
  const [heads, kvHeads, headDim, hidden] = [4, 2, 64, 64];
  // Multiples of 1/1024 below one are halves; no group of them is one of 15 or 255 steps.
  const rng = createRng(6);
  const matrix = (rows: number, cols: number) => ({
    shape: [rows, cols],
    data: Float32Array.from({ length: rows * cols }, () => Math.round((2 * rng() - 1) * 1000) / 1024),
  });
  const part = (name: string) => `model.layers.0.self_attn.${name}_proj.weight`;
  const queries = matrix(heads * headDim, hidden);
  const tensors = {
    [part('q')]: queries,
    [part('k')]: matrix(kvHeads * headDim, hidden),
    [part('v')]: matrix(kvHeads * headDim, hidden),
    [part('o')]: matrix(hidden, heads * headDim),
  };
  const config = {
    ...{ architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', vocab_size: 8, num_hidden_layers: 1 },
    ...{ hidden_size: hidden, intermediate_size: 64, num_attention_heads: heads, num_key_value_heads: kvHeads },
    ...{ head_dim: headDim, rms_norm_eps: 1e-6, rope_theta: 1e6, max_position_embeddings: 64, hidden_act: 'silu' },
    ...{ tie_word_embeddings: true, dms_window_size: 16, dms_alpha_scale: 100, dms_initial_alpha_offset: 5 },
  };
  await mkdir(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'model.safetensors'), writeSafetensors(tensors));
  await convertCommand([folder, out]);

  const files = await openModel(nodeFileSet(out));
  const { dms } = describeModel(files);
  expect(dms?.variant).toBe('borrow');
  const infos = ['q', 'k', 'v', 'o'].map((name) => defined(files.checkpoint.tensors.get(part(name)), name));
  const [query, output] = [infos.slice(0, 3), infos.slice(3)];
  for (const choice of ['w4', 'w8'] as const) {
    expect(heldAs(output, choice, dms).format).toBe(choice);
    expect(heldAs(query, choice, null).format).toBe(choice);
    const { format, codes } = await readPacked(files.checkpoint, query[0], heldAs(query, choice, dms).target);
    expect(format).toBe('f16');
    const halves = new Uint16Array(codes.buffer, codes.byteOffset, heads * headDim * hidden);
    for (let g = 0; g < kvHeads; g++) {
      const first = (g * (heads / kvHeads) * headDim + headDim - 1) * hidden;
      const row = Array.from(halves.subarray(first, first + hidden), f16ToF32);
      expect(row).toEqual([...queries.data.subarray(first, first + hidden)]);
    }
  }
});

test('refuses what it does not know, by name', async () => {
  await expect(convertCommand(['only-one.gguf'])).rejects.toThrow(UsageError);
  await expect(convertCommand(['a.gguf', 'b', '--quantise', '4'])).rejects.toThrow('--quantise');
  await expect(convertCommand([join(scratch, 'absent.gguf'), scratch])).rejects.toThrow('absent.gguf');
});
