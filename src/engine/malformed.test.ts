/**
 * Damaged files of every format that is read from outside, 5,000 each by seed: each opens, or is refused by an error of
 * ours. None crashes, hangs, reads past its end or makes us allocate more than it holds.
 */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { FormatError } from '../formats/errors.ts';
import { type Fixture, ggufFixture } from '../formats/gguf_fixture.ts';
import { lowRankUpdates } from '../formats/low_rank.ts';
import { type ModelFiles, openGgufModel, openModel, openSidecar } from '../formats/model_folder.ts';
import { damaged, largestArray, type ReadRecord, watchedFiles } from '../formats/mutations.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { UnsupportedModelError } from '../model/errors.ts';
import { describeModel } from '../model/load.ts';
import type { SessionForm } from '../model/session_types.ts';
import { TextError } from '../text/errors.ts';
import { ChatText } from './chat_text.ts';
import { SnapshotError } from './errors.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';

const COUNT = 5000;
const OURS = [FormatError, TextError, UnsupportedModelError, SnapshotError];
/** A file of this size is refused or opened in far less; only a loop that a count in it drives could take so long. */
const SLOW_MS = 2000;

const utf8 = new TextEncoder();
const bytesOf = (value: unknown): Uint8Array => utf8.encode(JSON.stringify(value, null, 1));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const part = (name: string, bytes: Uint8Array) => ({ name, size: bytes.length, sha256: sha256(bytes) });
const f32 = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5) });

interface Case {
  /** The good file, and how many of its bytes say how the rest is read. */
  readonly bytes: Uint8Array;
  readonly head?: number;
  /** Sizes of files beside it that may be read too. */
  readonly beside?: number;
  /** Changes after the damage: a checksum made anew, say. */
  readonly mended?: (bytes: Uint8Array, seed: number) => Uint8Array;
  readonly open: (bytes: Uint8Array) => Promise<ReadRecord>;
}

/** Opens all damaged files; tells how many were refused. */
async function openAll({ bytes, head, beside = 0, mended, open }: Case): Promise<number> {
  const good = await open(bytes);
  expect(good.total).toBeGreaterThan(0);
  let refused = 0;
  for (let seed = 0; seed < COUNT; seed++) {
    const hurt = damaged(bytes, seed, head);
    const file = mended ? mended(hurt, seed) : hurt;
    const limit = Math.max(file.length, bytes.length) + beside;
    const began = performance.now();
    const largest = await largestArray(async () => {
      try {
        const { largest: read, total } = await open(file);
        if (read > limit || total > 3 * limit) throw new Error(`seed ${seed}: ${total} bytes of ${limit} were read`);
      } catch (cause) {
        if (!OURS.some((kind) => cause instanceof kind)) throw new Error(`seed ${seed}: ${cause}`, { cause });
        if (!(cause instanceof Error) || cause.message.length < 20) throw new Error(`seed ${seed} says nothing`);
        refused++;
      }
    });
    if (largest > limit) throw new Error(`seed ${seed}: an array of ${largest} for a file of ${limit} bytes`);
    const took = performance.now() - began;
    if (took > SLOW_MS) throw new Error(`seed ${seed} took ${took} ms`);
  }
  return refused;
}

/** All that is read of a model before its weights, then every byte of these. */
async function readThrough(files: ModelFiles): Promise<void> {
  const { checkpoint, sidecar } = files;
  for (const one of sidecar ? [checkpoint, sidecar] : [checkpoint]) {
    for (const { name, byteLength } of one.tensors.values()) {
      const { length } = await one.read(name);
      if (length !== byteLength) throw new Error(`${name}: ${length} bytes for ${byteLength}`);
    }
  }
  describeModel(files);
  const text = new ChatText(files);
  text.tokenizer.encode(text.render([{ role: 'user', content: 'ab' }]));
}

const TOKENS = ['a', 'b', 'ab', 'é', 'Ġ', '<|im_end|>'];
type Metadata = NonNullable<Fixture['metadata']>;
const BYTE_LEVEL: Metadata = [
  ['tokenizer.ggml.model', 'gpt2'],
  ['tokenizer.ggml.pre', 'smollm'],
  ['tokenizer.ggml.tokens', TOKENS],
  ['tokenizer.ggml.merges', ['a b']],
  ['tokenizer.ggml.token_type', [1, 1, 1, 1, 1, 3]],
];
const SENTENCEPIECE: Metadata = [
  ['tokenizer.ggml.model', 'llama'],
  ['tokenizer.ggml.tokens', ['<unk>', 'a', 'b', 'ab', '<0x0A>', '<|im_end|>']],
  ['tokenizer.ggml.scores', [0, 1, 2, 3, 0, 0]],
  ['tokenizer.ggml.token_type', [2, 1, 1, 1, 6, 3]],
];
const ggufHead = (vocabulary: Metadata): Uint8Array =>
  ggufFixture({
    metadata: [
      ...([
        ['general.architecture', 'llama'],
        ['general.name', 'Small'],
        ['general.license', 'apache-2.0'],
      ] as const),
      ...([
        ['llama.embedding_length', 128],
        ['llama.block_count', 1],
        ['llama.feed_forward_length', 64],
      ] as const),
      ...([
        ['llama.attention.head_count', 2],
        ['llama.attention.head_count_kv', 1],
      ] as const),
      ...([
        ['llama.attention.layer_norm_rms_epsilon', 1],
        ['llama.context_length', 64],
      ] as const),
      ...vocabulary,
      ['tokenizer.ggml.eos_token_id', 5],
      ['tokenizer.chat_template', '{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}'],
    ],
    tensors: [
      { name: 'token_embd.weight', dimensions: [128, 6], type: 8, offset: 0 },
      { name: 'blk.0.attn_q.weight', dimensions: [32, 4], type: 2, offset: 832 },
      { name: 'blk.0.attn_norm.weight', dimensions: [8], type: 0, offset: 928 },
      { name: 'output_norm.weight', dimensions: [8], type: 1, offset: 960 },
    ],
  });
const DATA_BYTES = 992;
const ggufFile = (vocabulary: Metadata): Uint8Array =>
  new Uint8Array([...ggufHead(vocabulary), ...new Uint8Array(DATA_BYTES)]);
const GGUF = ggufFile(BYTE_LEVEL);

const SAFETENSORS = writeSafetensors(
  {
    'model.embed_tokens.weight': f32(6, 8),
    'model.norm.weight': f32(8),
    bits: { shape: [3], data: new Uint8Array(3) },
  },
  { format: 'pt', note: 'é' },
);
const SHARD = writeSafetensors({ 'lm_head.weight': f32(6, 8) });
const CONFIG = {
  ...{ model_type: 'qwen3', hidden_size: 128, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2 },
  ...{ num_key_value_heads: 1, head_dim: 64, vocab_size: 6, rms_norm_eps: 1e-6, max_position_embeddings: 64 },
  ...{ dms_window_size: 16, dms_alpha_scale: 100, dms_initial_alpha_offset: 5 },
};
const TOKENIZER = {
  added_tokens: [{ id: 5, content: '<|im_end|>', special: true }],
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])), merges: ['a b'] },
};
const SMALL = {
  'config.json': bytesOf(CONFIG),
  'tokenizer.json': bytesOf(TOKENIZER),
  'tokenizer_config.json': bytesOf({ eos_token: '<|im_end|>', chat_template: '{{ messages[0].content }}' }),
};
const sizeOf = (files: Readonly<Record<string, Uint8Array>>): number =>
  Object.values(files).reduce((sum, { length }) => sum + length, 0);

/** A directory in Hugging Face's form, with `files` besides or instead. */
async function openDirectory(files: Readonly<Record<string, Uint8Array>>): Promise<ReadRecord> {
  const set = watchedFiles({ ...SMALL, ...files });
  await readThrough(await openModel(set));
  return set.record;
}

/** Seconds of 5,000 openings on a busy machine. */
const TIMEOUT_MS = 60_000;

test.each([
  ['byte-level', GGUF],
  ["SentencePiece's", ggufFile(SENTENCEPIECE)],
])('GGUF, its vocabulary %s', { timeout: TIMEOUT_MS }, async (_, file) => {
  const refused = await openAll({
    bytes: file,
    head: file.length - DATA_BYTES,
    async open(bytes) {
      const set = watchedFiles({ 'model.gguf': bytes });
      const source = await set.open('model.gguf');
      if (source) await readThrough(await openGgufModel(source));
      return set.record;
    },
  });
  expect(refused).toBeGreaterThan(COUNT / 2);
});

test('safetensors', { timeout: TIMEOUT_MS }, async () => {
  const open = (bytes: Uint8Array) => openDirectory({ 'model.safetensors': bytes });
  const head = SAFETENSORS.length - 6 * 8 * 4 - 8 * 4 - 3;
  expect(await openAll({ bytes: SAFETENSORS, head, beside: sizeOf(SMALL), open })).toBeGreaterThan(COUNT / 2);
});

test('the index of shards', { timeout: TIMEOUT_MS }, async () => {
  const [one, two] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const names = { 'model.embed_tokens.weight': one, 'model.norm.weight': one, bits: one, 'lm_head.weight': two };
  const shards = { [one]: SAFETENSORS, [two]: SHARD };
  const refused = await openAll({
    bytes: bytesOf({ metadata: { total_size: 419 }, weight_map: names }),
    beside: sizeOf(SMALL) + sizeOf(shards),
    open: (bytes) => openDirectory({ ...shards, 'model.safetensors.index.json': bytes }),
  });
  expect(refused).toBeGreaterThan(COUNT / 2);
});

const SIDECAR = writeSafetensors(
  {
    'model.layers.0.self_attn.dms_proj_alpha.weight': f32(1, 32),
    'model.layers.0.self_attn.dms_proj_alpha_norm.weight': f32(32),
    'model.layers.0.self_attn.q_proj.lora_A.weight': f32(2, 32),
    'model.layers.0.self_attn.q_proj.lora_B.weight': f32(4, 2),
  },
  {
    ...{ base_sha256: sha256(GGUF), variant: 'adapter', window: '16', scale: '100', offset: '5', shift: '1' },
    ...{ lora_rank: '2', lora_alpha: '4' },
  },
);

test('the manifest of a model folder', { timeout: TIMEOUT_MS }, async () => {
  const parts = { p0: GGUF.slice(0, 700), p1: GGUF.slice(700), 'side.safetensors': SIDECAR };
  const manifest = {
    ...{ version: 1, name: 'Small', license: 'Apache-2.0' },
    file: { ...part('model.gguf', GGUF), parts: [part('p0', parts.p0), part('p1', parts.p1)] },
    sidecar: part('side.safetensors', SIDECAR),
    quality: [{ offset: 1, ratio: 2, perplexity: 0.01, kl: 0.1 }],
  };
  const refused = await openAll({
    bytes: bytesOf(manifest),
    beside: GGUF.length + SIDECAR.length,
    async open(bytes) {
      const set = watchedFiles({ ...parts, 'lethe.json': bytes });
      await readThrough(await openModel(set));
      return set.record;
    },
  });
  expect(refused).toBeGreaterThan(COUNT / 2);
});

test('a sidecar', { timeout: TIMEOUT_MS }, async () => {
  const set = watchedFiles({ 'model.gguf': GGUF });
  const base = await set.open('model.gguf');
  if (!base) throw new Error('the base');
  const files = await openGgufModel(base);
  const refused = await openAll({
    bytes: SIDECAR,
    head: SIDECAR.length - 4 * (32 + 32 + 64 + 8),
    async open(bytes) {
      const own = watchedFiles({ 'side.safetensors': bytes });
      const source = await own.open('side.safetensors');
      if (!source) throw new Error('the sidecar');
      const sidecar = await openSidecar(source, { name: 'model.gguf', sha256: sha256(GGUF) });
      describeModel({ ...files, sidecar });
      const updates = lowRankUpdates(sidecar, files.checkpoint);
      for (const { a, b } of updates?.byWeight.values() ?? []) {
        for (const { name } of [a, b]) await sidecar.read(name);
      }
      return own.record;
    },
  });
  expect(refused).toBeGreaterThan(COUNT / 2);
});

const FORM: SessionForm = {
  ...{ model: 'a'.repeat(64), kv: 'f16', policy: { kind: 'dense' }, layers: 2, kvHeads: 1, headDim: 64 },
  ...{ ringSize: 17, vocabSize: 40 },
};
const SLOT_WORDS = 64;
const TOKEN_COUNT = 3;

/** Half of the files get a checksum of what they now hold, so that what lies behind it is reached. */
function checksummed(bytes: Uint8Array, seed: number): Uint8Array {
  if (seed % 2 === 0 || bytes.length < 56) return bytes;
  const out = bytes.slice();
  if (seed % 4 === 1) new DataView(out.buffer).setBigUint64(48, BigInt(out.length), true);
  out.set(createHash('sha256').update(out.subarray(44)).digest(), 12);
  return out;
}

test('a saved memory', { timeout: TIMEOUT_MS }, async () => {
  const words = (count: number, from = 0) => Uint32Array.from({ length: count }, (_, i) => i + from);
  const file = await encodeSnapshot({
    form: FORM,
    session: {
      cache: {
        tokens: TOKEN_COUNT,
        live: Uint32Array.of(TOKEN_COUNT, TOKEN_COUNT),
        ring: Uint32Array.of(0, 1, 2, 0, 1, 2),
        dropped: new Uint32Array(2),
        slots: [words(TOKEN_COUNT * SLOT_WORDS), words(TOKEN_COUNT * SLOT_WORDS)],
      },
      pending: 7,
      logits: null,
      seen: new Uint32Array(2),
    },
    conversation: { ids: [1, 2, 3, 7], text: 'abé', unanswered: true, messages: [{ role: 'user', content: 'abé' }] },
  });
  const refused = await openAll({
    bytes: file,
    head: file.length - 8 * TOKEN_COUNT * SLOT_WORDS,
    mended: checksummed,
    async open(bytes) {
      const { session } = await decodeSnapshot(bytes, FORM);
      return { total: 1 + session.cache.tokens, largest: 0 };
    },
  });
  expect(refused).toBeGreaterThan(COUNT / 2);
});
