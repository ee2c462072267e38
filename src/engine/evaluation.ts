/** Measurements of a loaded model: logits with bits and live lengths, and perplexity. What `lethe eval` prints. */
import type { CachePolicy } from '../cache/policy.ts';
import { type TensorData, writeSafetensors } from '../formats/safetensors.ts';
import type { GpuModel } from '../model/load.ts';
import { assert } from '../util/assert.ts';

export interface EvaluationOptions {
  readonly policy: CachePolicy;
  readonly kv: 'int8' | 'f16' | 'f32';
  /** Rows of a prefill chunk. */
  readonly chunk: number;
  /** True feeds token by token through the decode kernels. */
  readonly stepwise: boolean;
}

export interface LogitsRequest extends EvaluationOptions {
  readonly ids: readonly number[];
  /** Rows whose logits are wanted. */
  readonly rows: 'all' | 'last' | readonly number[];
}

/**
 * Logits of the chosen rows as a safetensors file: `logits` [rows, vocab] f32 and, unless the policy is dense, `alpha`
 * u8 [layers, KV heads, tokens], the bit computed at each token, and `live` i32 [layers, KV heads].
 */
export async function evaluateLogits(model: GpuModel, request: LogitsRequest): Promise<Uint8Array> {
  const { ids, policy } = request;
  const { vocabSize, layers, kvHeads } = model.facts;
  checkIds(ids, vocabSize);
  const rows =
    request.rows === 'all' ? ids.map((_, i) => i) : request.rows === 'last' ? [ids.length - 1] : request.rows;
  const bad = rows.find((row) => !Number.isInteger(row) || row < 0 || row >= ids.length);
  if (bad !== undefined) throw new RangeError(`Row ${bad} is not among the ${ids.length} tokens.`);
  const place = new Map(rows.map((row, i) => [row, i]));
  const logits = new Float32Array(rows.length * vocabSize);
  const evaluator = await model.createEvaluator({ policy, kv: request.kv, chunk: request.chunk, context: ids.length });
  try {
    await evaluator.run(ids, {
      stepwise: request.stepwise,
      rows: (row) => place.has(row),
      onRow: (row, values) => logits.set(values, (place.get(row) ?? 0) * vocabSize),
    });
    const tensors: Record<string, TensorData> = { logits: { shape: [rows.length, vocabSize], data: logits } };
    if (policy.kind !== 'dense') {
      tensors.alpha = { shape: [layers, kvHeads, ids.length], data: evaluator.bits() };
      tensors.live = { shape: [layers, kvHeads], data: Int32Array.from(evaluator.live()) };
    }
    return writeSafetensors(tensors, { policy: policy.kind, tokens: String(ids.length) });
  } finally {
    evaluator.destroy();
  }
}

export interface PerplexityRequest extends EvaluationOptions {
  readonly ids: readonly number[];
  /** Tokens of one window; each starts with an empty cache. */
  readonly context: number;
  /** Tokens at the start of a window that are read and not scored. */
  readonly skip: number;
  readonly onWindow?: (done: number, total: number) => void;
}

/** One JSON line of `lethe eval ppl`. */
export interface Perplexity {
  /** Mean negative log-likelihood of the scored tokens, nats. */
  readonly nll: number;
  readonly ppl: number;
  /** Of the mean nll, over tokens. */
  readonly standard_error: number;
  /** Scored tokens. */
  readonly tokens: number;
  readonly windows: number;
  /** Live slots at the end of a window, mean over heads and windows. */
  readonly mean_live_tokens: number;
  /** Window length over mean_live_tokens. */
  readonly ratio: number;
}

/** Perplexity over windows of `context` tokens that do not overlap; a last, shorter one counts if it scores a token. */
export async function evaluatePerplexity(model: GpuModel, request: PerplexityRequest): Promise<Perplexity> {
  const { ids, context, skip, policy, kv, chunk, stepwise } = request;
  checkIds(ids, model.facts.vocabSize);
  if (skip >= context - 1) throw new RangeError(`Skipping ${skip} of ${context} tokens leaves nothing to score.`);
  const windows: (readonly number[])[] = [];
  for (let at = 0; at < ids.length; at += context) windows.push(ids.slice(at, at + context));
  const scored = windows.filter((window) => window.length >= skip + 2);
  if (scored.length === 0) throw new RangeError(`${ids.length} tokens are too few to score after the first ${skip}.`);
  const losses: number[] = [];
  let live = 0;
  let seen = 0;
  for (const [index, window] of scored.entries()) {
    const evaluator = await model.createEvaluator({ policy, kv, chunk, context });
    await evaluator.run(window, {
      stepwise,
      rows: (row) => row >= skip && row < window.length - 1,
      onRow: (row, logits) => losses.push(negativeLogLikelihood(logits, window[row + 1])),
    });
    const lengths = evaluator.live();
    live += lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    seen += window.length;
    evaluator.destroy();
    request.onWindow?.(index + 1, scored.length);
  }
  const nll = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const variance = losses.reduce((sum, loss) => sum + (loss - nll) ** 2, 0) / Math.max(1, losses.length - 1);
  return {
    nll,
    ppl: Math.exp(nll),
    standard_error: Math.sqrt(variance / losses.length),
    tokens: losses.length,
    windows: scored.length,
    mean_live_tokens: live / scored.length,
    ratio: seen / live,
  };
}

/** -log softmax(logits)[target], nats. */
export function negativeLogLikelihood(logits: Float32Array, target: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most);
  return most + Math.log(sum) - logits[target];
}

function checkIds(ids: readonly number[], vocabSize: number): void {
  assert(ids.length > 0, 'no token ids');
  const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad !== undefined) throw new RangeError(`Token id ${bad} is not in the vocabulary of ${vocabSize}.`);
}
