/** Configurations as real repositories have them, what is made of them, and what is refused. */
import { describe, expect, test } from 'vitest';
import { configFromGguf, configFromJson, withRopeDivisors } from './config.ts';
import { ropeTable } from './rope.ts';

/** Fields of the repositories' `config.json` that bear on the mathematics. */
const QWEN25 = {
  ...{ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', attention_dropout: 0, hidden_act: 'silu' },
  ...{ hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14 },
  ...{ num_key_value_heads: 2, vocab_size: 151936, rms_norm_eps: 1e-6, rope_theta: 1000000 },
  ...{ max_position_embeddings: 32768, max_window_layers: 21, sliding_window: 32768, use_sliding_window: false },
  ...{ tie_word_embeddings: true, torch_dtype: 'bfloat16', use_cache: true },
};
const LLAMA32 = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', attention_bias: false, mlp_bias: false },
  ...{ head_dim: 64, hidden_act: 'silu', hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16 },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, vocab_size: 128256, rms_norm_eps: 1e-5 },
  ...{ max_position_embeddings: 131072, rope_theta: 500000, tie_word_embeddings: true, pretraining_tp: 1 },
  rope_scaling: {
    ...{ factor: 32, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 8192 },
    rope_type: 'llama3',
  },
};
const SMOLLM3 = {
  ...{ architectures: ['SmolLM3ForCausalLM'], model_type: 'smollm3', attention_bias: false, mlp_bias: false },
  ...{ hidden_act: 'silu', hidden_size: 2048, intermediate_size: 11008, num_hidden_layers: 36 },
  ...{ num_attention_heads: 16, num_key_value_heads: 4, vocab_size: 128256, rms_norm_eps: 1e-6 },
  ...{ max_position_embeddings: 65536, rope_theta: 5000000, rope_scaling: null, no_rope_layer_interval: 4 },
  ...{ sliding_window: null, use_sliding_window: false, max_window_layers: 28 },
  no_rope_layers: Array.from({ length: 36 }, (_, i) => (i % 4 === 3 ? 0 : 1)),
  layer_types: new Array(36).fill('full_attention'),
};
const QWEN3 = {
  ...{ architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', attention_bias: false, hidden_act: 'silu' },
  ...{ head_dim: 128, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28, num_attention_heads: 16 },
  ...{ num_key_value_heads: 8, vocab_size: 151936, rms_norm_eps: 1e-6, rope_theta: 1000000, rope_scaling: null },
  ...{ max_position_embeddings: 40960, sliding_window: null, use_sliding_window: false, tie_word_embeddings: true },
};
/** An early Llama, from before there were shared KV heads. */
const LLAMA1 = {
  ...{ model_type: 'llama', hidden_act: 'silu', hidden_size: 4096, intermediate_size: 11008 },
  ...{ num_hidden_layers: 32, num_attention_heads: 32, vocab_size: 32000, rms_norm_eps: 1e-6 },
  ...{ max_position_embeddings: 2048, tie_word_embeddings: false },
};
const MISTRAL = { ...LLAMA1, model_type: 'mistral', num_key_value_heads: 8, head_dim: null, sliding_window: null };

describe('config.json', () => {
  test('Qwen2.5-0.5B-Instruct: biases of q, k and v, a tied head, a window that is off', () => {
    expect(configFromJson(QWEN25)).toEqual({
      ...{ architecture: 'qwen2', hiddenSize: 896, intermediateSize: 4864, numHiddenLayers: 24 },
      ...{ numAttentionHeads: 14, numKeyValueHeads: 2, headDim: 64, vocabSize: 151936, rmsNormEps: 1e-6 },
      ...{ ropeTheta: 1e6, ropeScaling: { type: 'default' }, noRopeLayers: [], maxPositionEmbeddings: 32768 },
      ...{ tieWordEmbeddings: true, headNorm: false, qkvBias: true },
    });
  });

  test('Llama-3.2-1B-Instruct: RoPE scaling llama3', () => {
    expect(configFromJson(LLAMA32)).toMatchObject({
      ...{ architecture: 'llama', headDim: 64, ropeTheta: 500000, maxPositionEmbeddings: 131072 },
      ...{ tieWordEmbeddings: true, qkvBias: false },
      ropeScaling: {
        ...{ type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4 },
        originalMaxPositionEmbeddings: 8192,
      },
    });
  });

  test('SmolLM3-3B: nine layers without position, a head tied by default', () => {
    const config = configFromJson(SMOLLM3);
    expect(config).toMatchObject({ architecture: 'smollm3', headDim: 128, ropeTheta: 5e6, tieWordEmbeddings: true });
    expect(config.noRopeLayers).toEqual([3, 7, 11, 15, 19, 23, 27, 31, 35]);
    expect(configFromJson({ ...SMOLLM3, no_rope_layers: undefined }).noRopeLayers).toEqual(config.noRopeLayers);
  });

  test('Qwen3-0.6B: head norms, heads wider than hidden / heads', () => {
    const config = configFromJson(QWEN3);
    expect(config).toMatchObject({ architecture: 'qwen3', headDim: 128, hiddenSize: 1024, headNorm: true });
    expect(config).toMatchObject({ qkvBias: false, tieWordEmbeddings: true, ropeScaling: { type: 'default' } });
  });

  test('an early Llama: a KV head a query head, the default base of RoPE, an untied head', () => {
    const config = configFromJson(LLAMA1);
    expect(config).toMatchObject({ numKeyValueHeads: 32, headDim: 128, ropeTheta: 10000, tieWordEmbeddings: false });
    expect(configFromJson(MISTRAL)).toMatchObject({ architecture: 'mistral', numKeyValueHeads: 8, headDim: 128 });
  });

  /** Rows: what the file says beside a context length of 32,768, and the longest context that is full attention. */
  test.each([
    ['Mistral 7B v0.1', { model_type: 'mistral', sliding_window: 4096 }, 4096],
    ['Mistral that leaves its window out, as transformers has it', { model_type: 'mistral' }, 4096],
    ['Mistral 7B v0.2', { model_type: 'mistral', sliding_window: null }, 32768],
    ['a window that is longer than all positions', { model_type: 'mistral', sliding_window: 131072 }, 32768],
    ['Qwen2 with a window that is off', { use_sliding_window: false, sliding_window: 4096 }, 32768],
    ['with all layers sliding', { use_sliding_window: true, sliding_window: 4096, max_window_layers: 0 }, 4096],
    ['with the upper layers sliding', { use_sliding_window: true, sliding_window: 4096, max_window_layers: 21 }, 4096],
    ['with no layer high enough', { use_sliding_window: true, sliding_window: 4096, max_window_layers: 24 }, 32768],
    ['with 28 full layers by default', { use_sliding_window: true, max_window_layers: undefined }, 32768],
    ['a mixture of layers', { layer_types: ['full_attention', 'sliding_attention'], sliding_window: 2048 }, 2048],
    ['layers that are all full', { layer_types: ['full_attention'], use_sliding_window: true }, 32768],
  ])('the context of %s', (_, fields, context) => {
    const { sliding_window: _window, ...rest } = QWEN25;
    expect(configFromJson({ ...rest, ...fields }).maxPositionEmbeddings).toBe(context);
  });

  test("scaling is reckoned from the file's own context, whatever the window", () => {
    const yarn = { rope_type: 'yarn', factor: 4 };
    const { ropeScaling, maxPositionEmbeddings } = configFromJson({
      ...{ ...QWEN25, model_type: 'mistral', sliding_window: 4096, rope_scaling: yarn },
    });
    expect([ropeScaling, maxPositionEmbeddings]).toMatchObject([{ originalMaxPositionEmbeddings: 32768 }, 4096]);
  });

  test("Qwen2.5's YaRN, in the older form: the attention factor follows from the factor", () => {
    const rope_scaling = { factor: 4, original_max_position_embeddings: 32768, type: 'yarn' };
    const { ropeScaling } = configFromJson({ ...QWEN25, rope_scaling });
    expect(ropeScaling).toMatchObject({ type: 'yarn', factor: 4, betaFast: 32, betaSlow: 1, truncate: true });
    expect(ropeScaling).toHaveProperty('attentionFactor', 0.1 * Math.log(4) + 1);
  });

  test.each([
    [
      'another architecture',
      { model_type: 'gemma3' },
      /gemma3 is not supported.*llama, mistral, qwen2, qwen3, smollm3/,
    ],
    ['experts', { model_type: 'qwen3_moe' }, /qwen3_moe is not supported/],
    ['longrope', { rope_scaling: { rope_type: 'longrope' } }, /longrope is not supported; default, linear, llama3/],
    ['dynamic RoPE', { rope_scaling: { type: 'dynamic', factor: 2 } }, /type dynamic is not supported/],
    ['scaling without a factor', { rope_scaling: { type: 'linear' } }, /positive number for factor, not undefined/],
    ['part of a head', { partial_rotary_factor: 0.5 }, /RoPE over 0\.5 of a head/],
    ['biases everywhere', { attention_bias: true }, /attention_bias is not supported/],
    ['biases of the MLP', { mlp_bias: true }, /mlp_bias is not supported/],
    ['a window of nothing', { model_type: 'mistral', sliding_window: 0 }, /sliding window of 0 tokens is none/],
    ['sliding layers without a window', { layer_types: ['sliding_attention'] }, /no number for sliding_window/],
    ['layers of another kind', { layer_types: ['chunked_attention'] }, /chunked_attention are not supported; full_att/],
    ['GPTQ weights', { quantization_config: { quant_method: 'gptq' } }, /quantised by gptq/],
    ['another activation', { hidden_act: 'gelu' }, /activation gelu is not supported; silu is/],
    ['a head size of its own', { head_dim: 72 }, /Head size 72 is not supported; sizes 64, 80, 96, 128 are/],
    ['a missing number', { hidden_size: undefined }, /no number for hidden_size/],
  ])('refuses %s', (_, fields, message) => {
    expect(() => configFromJson({ ...LLAMA1, ...fields })).toThrow(message);
  });
});

describe('GGUF metadata', () => {
  const metadata = (architecture: string, over: Record<string, unknown> = {}) => ({
    'general.architecture': architecture,
    ...Object.fromEntries(
      Object.entries({
        ...{ context_length: 4096, embedding_length: 512, block_count: 8, feed_forward_length: 1024 },
        ...{ 'attention.head_count': 8, 'attention.head_count_kv': 2, 'attention.layer_norm_rms_epsilon': 1e-5 },
        ...{ 'rope.freq_base': 10000, 'rope.dimension_count': 64, ...over },
      }).map(([key, value]) => [`${architecture}.${key}`, value]),
    ),
  });
  const read = (architecture: string, over: Record<string, unknown> = {}) =>
    configFromGguf(metadata(architecture, over), new Set(), 100);

  test('tells the families apart', () => {
    expect(read('qwen2')).toMatchObject({ architecture: 'qwen2', qkvBias: true, noRopeLayers: [] });
    expect(read('smollm3')).toMatchObject({ architecture: 'smollm3', noRopeLayers: [3, 7] });
    expect(read('llama')).toMatchObject({ architecture: 'llama', ropeScaling: { type: 'default' } });
  });

  test('has a sliding window, which bounds the context; 0 is none', () => {
    const context = (window?: number) => read('llama', { 'attention.sliding_window': window }).maxPositionEmbeddings;
    expect([context(), context(0), context(1024), context(4096), context(8192)]).toEqual([
      4096, 4096, 1024, 4096, 4096,
    ]);
    expect(() => context(-1)).toThrow(/sliding window of -1 tokens is none/);
  });

  test('has linear scaling and YaRN, whose attn_factor multiplies the formula', () => {
    const linear = { 'rope.scaling.type': 'linear', 'rope.scaling.factor': 4 };
    expect(read('llama', linear).ropeScaling).toEqual({ type: 'linear', factor: 4 });
    const yarn = {
      ...{ 'rope.scaling.type': 'yarn', 'rope.scaling.factor': 4, 'rope.scaling.attn_factor': 2 },
      'rope.scaling.original_context_length': 1024,
    };
    const scaling = { type: 'yarn', attentionFactor: 2 * (1 + 0.1 * Math.log(4)), originalMaxPositionEmbeddings: 1024 };
    expect(read('qwen2', yarn).ropeScaling).toMatchObject(scaling);
  });

  test('takes divisors of frequencies, and refuses those that do not fit', () => {
    const config = read('llama');
    const divided = withRopeDivisors(config, new Float32Array(32).fill(8));
    expect(ropeTable(divided).frequencies[0]).toBe(1 / 8);
    expect(() => withRopeDivisors(config, new Float32Array(32))).toThrow(/32 positive numbers/);
    expect(() => withRopeDivisors(config, new Float32Array(16).fill(1))).toThrow(/32 positive numbers/);
    expect(() => withRopeDivisors(divided, new Float32Array(32).fill(1))).toThrow(/of type divisors/);
  });

  test.each([
    ['another architecture', 'phi3', {}, /phi3 is not supported/],
    ['longrope', 'llama', { 'rope.scaling.type': 'longrope' }, /longrope is not supported; none, linear and yarn are/],
    ['experts', 'llama', { expert_count: 8 }, /mixture of 8 experts/],
    ['part of a head', 'llama', { 'rope.dimension_count': 32 }, /RoPE over 32 of 64 channels/],
    ['values of another size', 'llama', { 'attention.value_length': 80 }, /different sizes/],
  ])('refuses %s', (_, architecture, over, message) => {
    expect(() => read(architecture, over)).toThrow(message);
  });
});
