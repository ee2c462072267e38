/**
 * Runs the programs of one conversation: submits chunks and steps, keeps the cache's plan ahead of them and takes their
 * results in, some steps late. It knows nothing of turns, text or stopping rules.
 */
import { KvCache } from '../cache/kv_cache.ts';
import type { CachePolicy } from '../cache/policy.ts';
import { BufferPool, ReadbackRing, readBuffer } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Elem } from '../gpu/linker.ts';
import { assert } from '../util/assert.ts';
import type { ModelConfig } from './config.ts';
import { DecodeProgram, type StepBuffers } from './decode_program.ts';
import type { DmsConfig } from './dms_config.ts';
import { fingerprint } from './fingerprint.ts';
import { type ForwardContext, gatingOf } from './forward.ts';
import { LogitsProgram } from './logits_program.ts';
import { PrefillProgram } from './prefill_program.ts';
import { Sampler } from './sampler.ts';
import type { SessionForm, SessionState } from './session_types.ts';
import type { ModelWeights } from './weights.ts';

/** Runs under way at a time: one on the GPU, one behind it. */
export const DEPTH = 2;

const HALTED = 0xffffffff;

/** A token on its way: null from a halted step or one without a choice. */
export interface Flight {
  readonly token: Promise<number | null>;
}

export interface RunnerOptions {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly dms: DmsConfig | null;
  readonly weights: ModelWeights;
  readonly policy: CachePolicy;
  readonly kv: 'int8' | 'f16' | 'f32';
  readonly activations: 'int8' | 'f32';
  readonly elem: Elem;
  readonly context: number;
  readonly chunk: number;
  readonly budgetBytes: number;
  readonly onCompiled?: (done: number, total: number) => void;
}

/** The window w of a policy; under `dense` no flag is ever set and the shortest ring does. */
function windowOf(policy: CachePolicy, dms: DmsConfig | null): number {
  if (policy.kind === 'window') return policy.window;
  return policy.kind === 'dms' && dms ? (policy.window ?? dms.window) : 1;
}

export class Runner {
  readonly cache: KvCache;
  readonly shared: StepBuffers;
  readonly prefill: PrefillProgram;
  readonly decode: DecodeProgram;
  readonly sampler: Sampler;
  readonly context: ForwardContext;
  readonly #last: LogitsProgram;
  readonly #scratch: BufferPool;
  readonly #cacheBuffers: BufferPool;
  readonly #ring: ReadbackRing;
  readonly #flights = new Set<Promise<unknown>>();
  /** The first failure of a run: after it the cache's contents are unknown, so it stays. */
  #failure: unknown = null;
  /** Tokens submitted, those under way included. */
  #submitted = 0;

  readonly #o: RunnerOptions;

  private constructor(options: RunnerOptions) {
    this.#o = options;
    const { gpu, config, dms, weights, policy, context, chunk } = options;
    this.#scratch = new BufferPool(gpu.device);
    this.#cacheBuffers = new BufferPool(gpu.device);
    this.cache = new KvCache({
      device: gpu.device,
      buffers: this.#cacheBuffers,
      layers: config.numHiddenLayers,
      kvHeads: config.numKeyValueHeads,
      headDim: config.headDim,
      format: options.kv,
      policy: policy.kind,
      window: windowOf(policy, dms),
      context,
      chunk,
      budgetBytes: options.budgetBytes,
    });
    this.context = {
      gpu,
      buffers: this.#scratch,
      config,
      weights,
      cache: this.cache,
      gating: gatingOf(dms, policy),
      activations: options.activations,
      elem: options.elem,
    };
    this.shared = {
      tokens: this.#scratch.storage('tokens', chunk * 4),
      logits: this.#scratch.storage('logits', Math.ceil(config.vocabSize / 4) * 16),
      state: this.#scratch.storage('state', 16),
    };
    this.decode = new DecodeProgram(this.context, this.shared);
    this.prefill = new PrefillProgram(this.context, this.shared, chunk);
    this.#last = new LogitsProgram(this.context, { x: this.prefill.x, logits: this.shared.logits, rows: 1 });
    this.sampler = new Sampler(this.context, this.shared);
    this.#ring = new ReadbackRing(gpu.device, 'step results', 8 + this.cache.live.size, DEPTH + 1);
  }

  /** Makes the buffers and compiles every kernel. */
  static async create(options: RunnerOptions): Promise<Runner> {
    const runner = new Runner(options);
    const { pipelines } = options.gpu;
    const programs = [runner.decode, runner.prefill, runner.#last, runner.sampler].map(({ program }) => program);
    const total = programs.reduce((sum, { ops }) => sum + ops.length, 0);
    let done = 0;
    await Promise.all(
      programs.map((program) =>
        program.build(pipelines, () => {
          done++;
          options.onCompiled?.(done, total);
        }),
      ),
    );
    return runner;
  }

  /** Tokens submitted so far. */
  get position(): number {
    return this.#submitted;
  }

  /** Bytes of scratch buffers; the cache's are in its occupancy. */
  get scratchBytes(): number {
    return this.#scratch.allocatedBytes;
  }

  /**
   * Submits a chunk of at most `chunk` tokens. With `logits`, those of the last row are left for the sampler.
   * @throws CacheFullError before anything is submitted
   */
  async submitChunk(ids: readonly number[], logits: boolean): Promise<void> {
    assert(ids.length > 0 && ids.length <= this.prefill.chunk, `a chunk of ${ids.length} tokens`);
    await this.#room(ids.length);
    const { gpu, buffers } = this.context;
    this.sampler.see(ids);
    buffers.write(this.shared.tokens, 0, Uint32Array.from(ids));
    this.cache.submit(ids.length);
    this.prefill.prepare(ids.length, this.#submitted);
    this.#submitted += ids.length;
    const encoder = gpu.device.createCommandEncoder({ label: 'prefill' });
    this.prefill.program.encode(encoder);
    if (logits) {
      this.#last.prepare(ids.length - 1);
      this.#last.program.encode(encoder);
    }
    const record = this.#ring.record(encoder, [[this.cache.live, 0, this.cache.live.size]]);
    gpu.device.queue.submit([encoder.finish()]);
    this.#track(record.collect().then((bytes) => this.cache.settle(new Uint32Array(bytes), ids.length, ids.length)));
  }

  /** Submits one decode step for the token in `shared.tokens`; with `sample`, the next one is chosen behind it. */
  async submitStep(sample: boolean): Promise<Flight> {
    await this.#room(1);
    const { gpu } = this.context;
    this.cache.submit(1);
    this.decode.prepare(this.#submitted);
    this.#submitted++;
    const encoder = gpu.device.createCommandEncoder({ label: 'decode' });
    this.decode.program.encode(encoder);
    if (sample) this.#encodeSample(encoder);
    return this.#collect(encoder, 1, sample);
  }

  /** Chooses a token from the logits that a chunk has left. */
  submitSample(): Flight {
    const encoder = this.context.gpu.device.createCommandEncoder({ label: 'sample' });
    this.#encodeSample(encoder);
    return this.#collect(encoder, 0, true);
  }

  /** Waits until the results of all that was submitted are in. */
  async settle(): Promise<void> {
    await Promise.all(this.#flights);
    if (this.#failure) throw this.#failure;
  }

  /** Waits while as many runs as may be are under way. */
  async pace(): Promise<void> {
    while (this.#flights.size >= DEPTH) await Promise.race(this.#flights);
  }

  /** What a saved state depends on. */
  async form(): Promise<SessionForm> {
    const { gpu, config, dms, weights, policy, kv } = this.#o;
    return {
      model: await fingerprint({ device: gpu.device, config, dms, weights }),
      kv,
      policy: policy.kind === 'dms' ? { kind: 'dms', offset: this.context.gating.offset } : policy,
      layers: config.numHiddenLayers,
      kvHeads: config.numKeyValueHeads,
      headDim: config.headDim,
      ringSize: this.cache.ringSize,
      vocabSize: config.vocabSize,
    };
  }

  /** Reads back cache, notes of the sampler and, where asked for, the logits that a chunk has left. */
  async save(withLogits: boolean): Promise<Omit<SessionState, 'pending'>> {
    await this.settle();
    const { device } = this.context.gpu;
    const bytes = this.context.config.vocabSize * 4;
    const logits = withLogits ? new Float32Array(await readBuffer(device, this.shared.logits, 0, bytes)) : null;
    return { cache: await this.cache.save(), logits, seen: this.sampler.seen() };
  }

  /** Puts a saved state in the place of the present one. @throws CacheFullError, and then nothing has changed */
  async restore({ cache, logits, seen }: Omit<SessionState, 'pending'>): Promise<void> {
    await this.settle();
    this.#rebind(await this.cache.load(cache));
    this.sampler.setSeen(seen);
    if (logits) this.context.buffers.write(this.shared.logits, 0, logits);
    this.#submitted = cache.tokens;
  }

  /** Forgets every token; nothing may be under way. */
  clear(): void {
    assert(this.#flights.size === 0, 'clear while runs are under way');
    this.cache.clear();
    this.sampler.clear();
    this.#submitted = 0;
  }

  destroy(): void {
    this.#ring.destroy();
    for (const { program } of [this.decode, this.prefill, this.#last, this.sampler]) program.destroy();
    this.#scratch.destroyAll();
    this.#cacheBuffers.destroyAll();
  }

  #encodeSample(encoder: GPUCommandEncoder): void {
    this.sampler.prepare(this.#submitted);
    this.sampler.program.encode(encoder);
  }

  #collect(encoder: GPUCommandEncoder, tokens: number, sampled: boolean): Flight {
    const { live } = this.cache;
    const record = this.#ring.record(encoder, [
      [this.sampler.result, 0, 8],
      [live, 0, live.size],
    ]);
    this.context.gpu.device.queue.submit([encoder.finish()]);
    const flight = record.collect().then((bytes) => {
      const token = new Uint32Array(bytes)[0];
      // A halted step has fed nothing: its position is given back.
      const halted = sampled && token === HALTED;
      if (halted) this.#submitted -= tokens;
      this.cache.settle(new Uint32Array(bytes, 8), tokens, halted ? 0 : tokens);
      if (!sampled || halted) return null;
      this.sampler.see([token]);
      return token;
    });
    return { token: this.#track(flight) };
  }

  /** Counts work as under way until it ends; a failure is kept for `settle`, whoever else sees it. */
  #track<T>(work: Promise<T>): Promise<T> {
    const flight = work.then(
      (result) => {
        const fault = this.context.gpu.fault();
        if (fault) throw new Error(`the GPU reported: ${fault}`);
        return result;
      },
      (cause) => this.#explain(cause),
    );
    const quiet: Promise<void> = flight.then(
      () => {
        this.#flights.delete(quiet);
      },
      (cause) => {
        this.#failure ??= cause;
        this.#flights.delete(quiet);
      },
    );
    this.#flights.add(quiet);
    return flight;
  }

  /** A read-back fails when the device is gone: then that is what is told. */
  async #explain(cause: unknown): Promise<never> {
    const patience = new Promise<null>((resolve) => setTimeout(() => resolve(null), 200));
    const lost = await Promise.race([this.context.gpu.lost, patience]);
    throw lost ?? cause;
  }

  /** Makes room for more tokens; when a pool would have to grow, waits first until the true lengths are known. */
  async #room(tokens: number): Promise<void> {
    if (this.cache.needsGrowth(tokens)) await this.settle();
    this.#rebind(await this.cache.reserve(tokens));
  }

  /** Follows pools that were replaced by larger ones. */
  #rebind(layers: readonly number[]): void {
    for (const layer of layers) {
      this.decode.rebind(layer);
      this.prefill.rebind(layer);
    }
  }
}
