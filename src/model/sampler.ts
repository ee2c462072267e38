/** Chooses the next token on the GPU and leaves it where the next step reads it. */
import { type Op, Program } from '../gpu/program.ts';
import { argmax } from '../kernels/argmax.ts';
import { sample } from '../kernels/sample.ts';
import { assert } from '../util/assert.ts';
import type { StepBuffers } from './decode_program.ts';
import type { ForwardContext } from './forward.ts';
import type { Sampling } from './session_types.ts';

const MAX_STOPS = 31;

export class Sampler {
  readonly program: Program;
  /** u32 [2]: the token chosen and 1 after a halt; (0xffffffff, 1) from a halted step. */
  readonly result: GPUBuffer;
  readonly #context: ForwardContext;
  readonly #shared: StepBuffers;
  readonly #stops: GPUBuffer;
  readonly #seenBuffer: GPUBuffer;
  /** A bit for each token of the context. */
  readonly #seen: Uint32Array<ArrayBuffer>;
  readonly #argmax: Op;
  readonly #sample: Op;

  constructor(context: ForwardContext, shared: StepBuffers) {
    this.#context = context;
    this.#shared = shared;
    const { buffers, gpu, config } = context;
    const vocab = config.vocabSize;
    this.#seen = new Uint32Array(Math.ceil(vocab / 32));
    this.#seenBuffer = buffers.storage('seen', this.#seen.byteLength);
    this.#stops = buffers.storage('stops', (MAX_STOPS + 1) * 4);
    this.result = buffers.storage('result', 8);
    const common = { ...shared, stops: this.#stops, seen: this.#seenBuffer, result: this.result, vocab };
    const { subgroups } = gpu;
    this.program = new Program(gpu.device, 'sample');
    this.#argmax = this.program.add(argmax({ ...common, repetitionPenalty: 1, subgroups }));
    const off = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0, position: 0 };
    this.#sample = this.program.add(sample({ ...common, ...off }));
  }

  /** Notes tokens of the context, for the repetition penalty. */
  see(ids: Iterable<number>): void {
    for (const id of ids) this.#seen[id >> 5] |= 1 << (id & 31);
  }

  /** Sets the rules of a generation and lifts the halt. */
  begin(sampling: Sampling, stopTokens: readonly number[]): void {
    assert(stopTokens.length <= MAX_STOPS, `${stopTokens.length} stop tokens are more than ${MAX_STOPS}`);
    const { buffers } = this.#context;
    buffers.write(this.#stops, 0, new Uint32Array([stopTokens.length, ...stopTokens]));
    buffers.write(this.#shared.state, 0, new Uint32Array(4));
    buffers.write(this.#seenBuffer, 0, this.#seen);
    const { temperature, topK, topP, minP, repetitionPenalty, seed } = sampling;
    const greedy = temperature === 0;
    this.#argmax.enabled = greedy;
    this.#sample.enabled = !greedy;
    this.#argmax.set({ repetition_penalty: repetitionPenalty });
    if (greedy) return;
    this.#sample.set({ temperature, top_k: topK, top_p: topP, min_p: minP });
    this.#sample.set({ repetition_penalty: repetitionPenalty, seed });
  }

  /** Sets the position of the token to be chosen: a part of the random number's key. */
  prepare(position: number): void {
    this.#sample.set({ position });
  }

  /** The tokens noted so far, a bit each: u32 [ceil(vocab / 32)]. */
  seen(): Uint32Array<ArrayBuffer> {
    return this.#seen.slice();
  }

  /** Puts other notes in their place. */
  setSeen(seen: Uint32Array): void {
    this.#seen.set(seen);
  }

  clear(): void {
    this.#seen.fill(0);
  }
}
