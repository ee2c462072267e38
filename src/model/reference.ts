/**
 * The decoder in plain loops: chains the kernels' CPU twins into a whole forward pass, without a cache and without a
 * GPU. Far too slow for use; it is what the tests hold the programs against, and it names the layer that diverges
 * first.
 */
import { addBiasRef } from '../../shaders/add_bias.ref.ts';
import { embedRef } from '../../shaders/embed.ref.ts';
import { headRopeRef } from '../../shaders/head_rope.ref.ts';
import { matmulRef } from '../../shaders/matmul.ref.ts';
import { rmsnormRef } from '../../shaders/rmsnorm.ref.ts';
import { siluMulRef } from '../../shaders/silu_mul.ref.ts';
import { dequantise } from '../formats/dequantise.ts';
import { addLowRank, lowRankUpdates, readUpdate } from '../formats/low_rank.ts';
import type { ModelFiles } from '../formats/model_folder.ts';
import { type DmsRule, maskedAttention, pushTokens } from '../kernels/test_dms.ts';
import { defined } from '../util/assert.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';
import { noAngles, ropeAngles, ropeTable } from './rope.ts';
import type { TensorValues } from './synthetic.ts';

export interface ReferenceModel {
  readonly config: ModelConfig;
  /** Null runs dense. */
  readonly dms: DmsConfig | null;
  readonly tensors: TensorValues;
}

/**
 * All tensors of opened files in f32: those of a sidecar beside the checkpoint's, its updates merged and not rounded, a
 * tied head under its own name.
 */
export async function readTensors({ checkpoint, sidecar }: ModelFiles): Promise<TensorValues> {
  const updates = sidecar && lowRankUpdates(sidecar, checkpoint);
  const tensors = new Map<string, Float32Array>();
  for (const source of sidecar ? [sidecar, checkpoint] : [checkpoint]) {
    for (const [name, info] of source.tensors) {
      const values = dequantise(info, await source.read(name));
      const update = sidecar && updates ? await readUpdate(sidecar, updates, name) : null;
      if (update) addLowRank(values, update);
      tensors.set(name, values);
    }
  }
  const embedding = defined(tensors.get('model.embed_tokens.weight'), 'the embedding');
  return tensors.has('lm_head.weight') ? tensors : tensors.set('lm_head.weight', embedding);
}

export interface ReferenceRun {
  /** [tokens, vocab] */
  readonly logits: Float32Array;
  /** The bit computed at each token, [layers, kvHeads, tokens]. */
  readonly bits: Uint8Array;
  /** [layers * kvHeads] */
  readonly live: Uint32Array;
  /** The residual stream after each layer, [tokens, hidden]. */
  readonly residuals: readonly Float32Array[];
}

/** Attention of one layer: its queries' output and the bits of its tokens. */
export interface ReferenceAttention {
  /** [tokens, heads * headDim] */
  readonly out: Float32Array;
  /** [tokens, kvHeads] */
  readonly alpha: Uint32Array;
}

function rows(...parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function product(weight: Float32Array, x: Float32Array, cols: number): Float32Array {
  return matmulRef(weight, x, { rows: x.length / cols, cols: weight.length / cols, inner: cols });
}

function ruleOf(dms: DmsConfig | null): DmsRule {
  return { window: dms?.window ?? 1, shift: dms?.shift ?? 1, perHead: dms?.perHead ?? true };
}

/** Norm, projections, head norm, bit, RoPE and masked attention of a layer over the residual stream x. */
export function referenceAttention(model: ReferenceModel, layer: number, x: Float32Array): ReferenceAttention {
  const { config, dms, tensors } = model;
  const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim, hiddenSize: hidden, rmsNormEps: eps } = config;
  const tokens = x.length / hidden;
  const w = (name: string) => defined(tensors.get(`model.layers.${layer}.${name}.weight`), name);
  const attn = (name: string) => w(`self_attn.${name}`);
  const bias = (part: string) =>
    defined(tensors.get(`model.layers.${layer}.self_attn.${part}_proj.bias`), `the bias of ${part}`);
  const input = rmsnormRef(x, w('input_layernorm'), { rows: tokens, cols: hidden, eps });
  const product3 = product(rows(attn('q_proj'), attn('k_proj'), attn('v_proj')), input, hidden);
  const qkv = config.qkvBias ? addBiasRef(product3, rows(bias('q'), bias('k'), bias('v'))) : product3;
  const rope = new Float32Array(tokens * headDim);
  if (config.noRopeLayers.includes(layer)) noAngles(rope, headDim);
  else ropeAngles({ out: rope, position: 0, rows: tokens, table: ropeTable(config) });
  const norms = config.headNorm ? { norms: [attn('q_norm'), attn('k_norm')] } : {};
  const { scale = 0, offset = 0 } = dms ?? {};
  const { shift } = ruleOf(dms);
  const adapter =
    dms?.variant === 'adapter'
      ? { x, norm: attn('dms_proj_alpha_norm'), weight: attn('dms_proj_alpha'), bias: new Float32Array(kvHeads) }
      : null;
  const gate = {
    ...{ kind: dms?.variant ?? ('none' as const), bitMode: dms ? (1 as const) : (0 as const) },
    ...{ scale, offset, shift, sinks: 0, position: 0 },
    ...(adapter ? { adapter } : {}),
  };
  const made = headRopeRef({ qkv, rope, ...norms }, gate, { rows: tokens, heads, kvHeads, headDim, eps });
  const width = (heads + 2 * kvHeads) * headDim;
  const v = rows(
    ...Array.from({ length: tokens }, (_, t) => qkv.subarray((t + 1) * width - kvHeads * headDim, (t + 1) * width)),
  );
  const shape = { tokens, kvHeads, group: heads / kvHeads, headDim };
  const out = maskedAttention({ q: made.q, k: made.k, v }, shape, made.alpha, ruleOf(dms));
  return { out: Float32Array.from(out), alpha: made.alpha };
}

/** The whole forward pass over `ids`. */
export function referenceForward(model: ReferenceModel, ids: readonly number[]): ReferenceRun {
  const { config, dms, tensors } = model;
  const { numHiddenLayers: layers, numKeyValueHeads: kvHeads, hiddenSize: hidden, rmsNormEps: eps } = config;
  const tokens = ids.length;
  const get = (name: string) => defined(tensors.get(name), name);
  let x = embedRef(get('model.embed_tokens.weight'), ids, { cols: hidden });
  const bits = new Uint8Array(layers * kvHeads * tokens);
  const live = new Uint32Array(layers * kvHeads);
  const residuals: Float32Array[] = [];
  const norm = (values: Float32Array, weight: Float32Array) =>
    rmsnormRef(values, weight, { rows: tokens, cols: hidden, eps });
  const add = (a: Float32Array, b: Float32Array) => a.map((value, i) => value + b[i]);
  for (let layer = 0; layer < layers; layer++) {
    const w = (name: string) => get(`model.layers.${layer}.${name}.weight`);
    const { out, alpha } = referenceAttention(model, layer, x);
    alpha.forEach((bit, i) => {
      const head = i % kvHeads;
      const own = dms?.perHead === false ? alpha[i - head] : bit;
      bits[(layer * kvHeads + head) * tokens + Math.floor(i / kvHeads)] = own;
    });
    live.set(pushTokens(alpha, kvHeads, tokens, ruleOf(dms)).live, layer * kvHeads);
    x = add(x, product(w('self_attn.o_proj'), out, config.numAttentionHeads * config.headDim));
    const inner = product(rows(w('mlp.gate_proj'), w('mlp.up_proj')), norm(x, w('post_attention_layernorm')), hidden);
    const gated = siluMulRef(inner, { rows: tokens, cols: config.intermediateSize });
    x = add(x, product(w('mlp.down_proj'), gated, config.intermediateSize));
    residuals.push(x);
  }
  const logits = product(get('lm_head.weight'), norm(x, get('model.norm.weight')), hidden);
  return { logits, bits, live, residuals };
}
