/** Speed of a loaded model on given tokens: what `lethe bench` prints. It warms up first, and judges nothing. */
import type { CachePolicy } from '../cache/policy.ts';
import type { GpuModel } from '../model/load.ts';
import type { Session } from '../model/session_types.ts';

export interface BenchmarkRequest {
  /** The prompt's tokens. */
  readonly prompt: readonly number[];
  /** Tokens to generate, greedily; at least 2. */
  readonly tokens: number;
  /** Bytes of an embedding of its own, of which a step reads one row; 0 where it is the head too. */
  readonly embeddingBytes: number;
  readonly policy?: CachePolicy;
  readonly kv?: 'int8' | 'f16' | 'f32';
}

export interface Benchmark {
  readonly policy: string;
  readonly prefill_tokens: number;
  readonly prefill_tokens_per_second: number;
  readonly decode_tokens: number;
  readonly decode_tokens_per_second: number;
  readonly ttft_ms: number;
  /** Dispatches of one decode step, the choice of the next token included. */
  readonly dispatches_per_token: number;
  readonly dispatches_per_layer: number;
  /** Bytes that one decode step must read at least: weights once, and the keys and values live at the end. */
  readonly bytes_per_token: number;
  readonly weight_bytes_per_token: number;
  readonly kv_bytes_per_token: number;
}

/** Tokens of the warm-up: enough to touch every kernel. */
const WARM_UP = 3;

/** Reads the prompt and generates, once to warm up and once measured. */
export async function benchmark(model: GpuModel, request: BenchmarkRequest): Promise<Benchmark> {
  const { prompt, tokens, policy, kv } = request;
  const options = { ...(policy ? { policy } : {}), ...(kv ? { kv } : {}) };
  const { step, perLayer } = await countDispatches(model, options);
  const session = await model.createSession(options);
  try {
    await run(session, prompt, WARM_UP);
    session.reset();
    const { readMs, times } = await run(session, prompt, tokens);
    const occupancy = session.occupancy();
    const [first, last] = [times[0], times[times.length - 1]];
    const weights = model.facts.weightBytes - request.embeddingBytes;
    return {
      policy: occupancy.policy,
      prefill_tokens: prompt.length,
      prefill_tokens_per_second: (1000 * prompt.length) / readMs,
      decode_tokens: times.length - 1,
      decode_tokens_per_second: (1000 * (times.length - 1)) / (last - first),
      ttft_ms: first,
      dispatches_per_token: step,
      dispatches_per_layer: perLayer,
      bytes_per_token: weights + occupancy.liveBytes,
      weight_bytes_per_token: weights,
      kv_bytes_per_token: occupancy.liveBytes,
    };
  } finally {
    session.destroy();
  }
}

/** Milliseconds from the start to the end of the prompt, and to each token. */
async function run(session: Session, prompt: readonly number[], tokens: number) {
  const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };
  const start = performance.now();
  await session.prefill(prompt);
  const readMs = performance.now() - start;
  const times: number[] = [];
  for await (const _ of session.generate({ sampling, maxTokens: tokens, stopTokens: [] })) {
    times.push(performance.now() - start);
  }
  return { readMs, times };
}

/** Embed, the final norm and the head: dispatches of a step that belong to no layer. */
const OUTSIDE_LAYERS = 3;

async function countDispatches(model: GpuModel, options: Parameters<GpuModel['createEvaluator']>[0]) {
  const evaluator = await model.createEvaluator(options);
  const { dispatches } = evaluator.runner.decode.program;
  evaluator.destroy();
  // The sampler has two ways to choose a token and runs one.
  return { step: dispatches + 1, perLayer: (dispatches - OUTSIDE_LAYERS) / model.facts.layers };
}
