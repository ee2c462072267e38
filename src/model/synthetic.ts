/** Small random checkpoints in memory, at any shape and eviction setting. For tests alone. */
import type { ModelFiles } from '../formats/model_folder.ts';
import type { Checkpoint, TensorInfo } from '../formats/tensor.ts';
import { defined } from '../util/assert.ts';
import { createRng, normals } from '../util/rng.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';

/** A checkpoint's tensors by their Hugging Face names. */
export type TensorValues = ReadonlyMap<string, Float32Array>;

interface Shaped {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** `length` values around one, for norms. */
function nearOne(rng: () => number, length: number): Float32Array {
  return normals(rng, length, 0.1).map((value) => 1 + value);
}

function layerTensors(config: ModelConfig, dms: DmsConfig | null, rng: () => number): [string, Shaped][] {
  const { hiddenSize: hidden, intermediateSize: inner, headDim, headNorm, qkvBias } = config;
  const [queries, keys] = [config.numAttentionHeads * headDim, config.numKeyValueHeads * headDim];
  const matrix = (rows: number, cols: number): Shaped => ({
    shape: [rows, cols],
    values: normals(rng, rows * cols, 1.2 / Math.sqrt(cols)),
  });
  const norm = (length: number): Shaped => ({ shape: [length], values: nearOne(rng, length) });
  const list: [string, Shaped][] = [
    ['input_layernorm.weight', norm(hidden)],
    ['self_attn.q_proj.weight', matrix(queries, hidden)],
    ['self_attn.k_proj.weight', matrix(keys, hidden)],
    ['self_attn.v_proj.weight', matrix(keys, hidden)],
    ['self_attn.o_proj.weight', matrix(hidden, queries)],
    ['post_attention_layernorm.weight', norm(hidden)],
    ['mlp.gate_proj.weight', matrix(inner, hidden)],
    ['mlp.up_proj.weight', matrix(inner, hidden)],
    ['mlp.down_proj.weight', matrix(hidden, inner)],
  ];
  if (headNorm) list.push(['self_attn.q_norm.weight', norm(headDim)], ['self_attn.k_norm.weight', norm(headDim)]);
  if (qkvBias) {
    for (const [part, length] of Object.entries({ q: queries, k: keys, v: keys })) {
      list.push([`self_attn.${part}_proj.bias`, { shape: [length], values: normals(rng, length) }]);
    }
  }
  if (dms?.variant === 'adapter') {
    list.push(['self_attn.dms_proj_alpha_norm.weight', norm(hidden)]);
    list.push(['self_attn.dms_proj_alpha.weight', matrix(config.numKeyValueHeads, hidden)]);
  }
  return list;
}

/** A random model as opened files, and its tensors as numbers. */
export function syntheticModel(args: {
  readonly config: ModelConfig;
  readonly dms: DmsConfig | null;
  readonly seed: number;
}): { readonly files: ModelFiles; readonly tensors: TensorValues } {
  const { config, dms, seed } = args;
  const rng = createRng(seed);
  const { hiddenSize: hidden, vocabSize: vocab } = config;
  const all = new Map<string, Shaped>();
  all.set('model.embed_tokens.weight', { shape: [vocab, hidden], values: normals(rng, vocab * hidden) });
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const [name, tensor] of layerTensors(config, dms, rng)) all.set(`model.layers.${layer}.${name}`, tensor);
  }
  all.set('model.norm.weight', { shape: [hidden], values: nearOne(rng, hidden) });
  all.set('lm_head.weight', { shape: [vocab, hidden], values: normals(rng, vocab * hidden, 1 / Math.sqrt(hidden)) });
  const checkpoint = checkpointOf('synthetic', all);
  const files = {
    name: 'synthetic',
    license: null,
    checkpoint,
    sidecar: null,
    quality: null,
    config: jsonOf(config, dms),
  };
  return {
    files: {
      ...files,
      tokenizerJson: null,
      tokenizerConfig: null,
      chatTemplate: null,
      generation: null,
      byteLength: 0,
    },
    tensors: new Map([...all].map(([name, { values }]) => [name, values])),
  };
}

function checkpointOf(
  name: string,
  all: ReadonlyMap<string, Shaped>,
  metadata: Readonly<Record<string, string>> = {},
): Checkpoint {
  const bytesOf = (key: string): Uint8Array => {
    const { values } = defined(all.get(key), key);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  };
  return {
    ...{ name, format: 'safetensors', metadata },
    tensors: new Map([...all].map(([key, tensor]) => [key, infoOf(key, tensor)])),
    read: async (key) => bytesOf(key),
    readRange: async (key, { offset, length }) => bytesOf(key).subarray(offset, offset + length),
  };
}

/**
 * A sidecar for a synthetic model: its adapters, and random updates of the projections that `changes` says.
 * `merged` are the model's tensors with the updates merged, for the reference.
 */
export function syntheticUpdates(args: {
  readonly files: ModelFiles;
  readonly tensors: TensorValues;
  readonly dms: DmsConfig;
  readonly rank: number;
  readonly seed: number;
  readonly changes: (weight: string) => boolean;
}): { readonly sidecar: Checkpoint; readonly merged: TensorValues } {
  const { files, tensors, dms, rank } = args;
  const rng = createRng(args.seed);
  const gain = 2;
  const all = new Map<string, Shaped>();
  const merged = new Map(tensors);
  for (const [name, { shape }] of files.checkpoint.tensors) {
    const values = defined(tensors.get(name), name);
    if (name.includes('dms_proj_alpha')) all.set(name, { shape, values });
    if (!/_proj\.weight$/.test(name) || !args.changes(name)) continue;
    const [rows, cols] = shape;
    const a = normals(rng, rank * cols, 1 / Math.sqrt(cols));
    const b = normals(rng, rows * rank, 0.3 / Math.sqrt(rank));
    const at = (part: string) => name.replace(/weight$/, `lora_${part}.weight`);
    all.set(at('A'), { shape: [rank, cols], values: a }).set(at('B'), { shape: [rows, rank], values: b });
    const sum = (row: number, col: number) =>
      Array.from({ length: rank }, (_, k) => b[row * rank + k] * a[k * cols + col]).reduce((x, y) => x + y);
    merged.set(
      name,
      values.map((value, i) => value + gain * sum(Math.floor(i / cols), i % cols)),
    );
  }
  const metadata = {
    ...{ variant: dms.variant, window: `${dms.window}`, scale: `${dms.scale}`, offset: `${dms.offset}` },
    ...{ shift: `${dms.shift}`, alpha_per: dms.perHead ? 'head' : 'layer' },
    ...{ lora_rank: `${rank}`, lora_alpha: `${gain * rank}` },
  };
  return { sidecar: checkpointOf('updates', all, metadata), merged };
}

/** The same files with other values; shapes and settings stay. */
export function withTensors(files: ModelFiles, tensors: TensorValues): ModelFiles {
  const all = [...files.checkpoint.tensors].map(([name, { shape }]): [string, Shaped] => {
    return [name, { shape, values: defined(tensors.get(name), name) }];
  });
  return { ...files, checkpoint: checkpointOf('synthetic', new Map(all)) };
}

function infoOf(name: string, { shape, values }: Shaped): TensorInfo {
  return { name, type: 'F32', shape, offset: 0, byteLength: values.byteLength };
}

function jsonOf(config: ModelConfig, dms: DmsConfig | null): Record<string, unknown> {
  const json: Record<string, unknown> = {
    model_type: config.architecture,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabSize,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    no_rope_layers: Array.from({ length: config.numHiddenLayers }, (_, i) => (config.noRopeLayers.includes(i) ? 0 : 1)),
    max_position_embeddings: config.maxPositionEmbeddings,
    tie_word_embeddings: config.tieWordEmbeddings,
  };
  if (!dms) return json;
  return {
    ...json,
    dms_window_size: dms.window,
    dms_alpha_scale: dms.scale,
    dms_initial_alpha_offset: dms.offset,
    dms_separate_alpha: dms.variant === 'adapter',
    dms_alpha_per: dms.perHead ? 'head' : 'layer',
    dms_shift: dms.shift,
  };
}
