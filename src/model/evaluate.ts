/** Runs given tokens and reads what the model made of them: logits of chosen rows, bits, live lengths. For checks. */
import { readBuffer } from '../gpu/buffers.ts';
import { LogitsProgram } from './logits_program.ts';
import type { Runner } from './runner.ts';

/** Rows whose logits are computed in one go. */
const BLOCK = 32;

export interface EvaluateOptions {
  /** Called with the row's index and its logits f32 [vocab], in order. */
  readonly onRow?: (row: number, logits: Float32Array) => void;
  /** Rows to read; default none. */
  readonly rows?: (row: number) => boolean;
  /** True feeds token by token through the decode program instead of in chunks. */
  readonly stepwise?: boolean;
}

export class Evaluator {
  readonly #runner: Runner;
  readonly #block: LogitsProgram;
  /** Bits of all tokens so far, a [layers, kvHeads] slab a token. */
  readonly #bits: Uint8Array[] = [];

  private constructor(runner: Runner, block: LogitsProgram) {
    this.#runner = runner;
    this.#block = block;
  }

  static async create(runner: Runner): Promise<Evaluator> {
    const { context, prefill } = runner;
    const { buffers, config, gpu } = context;
    const rows = Math.min(BLOCK, prefill.chunk);
    const logits = buffers.storage('logits block', rows * config.vocabSize * 4);
    const block = new LogitsProgram(context, { x: prefill.x, logits, rows: Math.max(2, rows) });
    await block.program.build(gpu.pipelines);
    return new Evaluator(runner, block);
  }

  get runner(): Runner {
    return this.#runner;
  }

  /** Reads tokens after those read before. */
  async run(ids: readonly number[], options: EvaluateOptions = {}): Promise<void> {
    const first = this.#runner.position;
    if (options.stepwise) {
      for (const [i, id] of ids.entries()) await this.#step(id, first + i, options);
      return;
    }
    const { chunk } = this.#runner.prefill;
    for (let done = 0; done < ids.length; done += chunk) {
      const rows = ids.slice(done, done + chunk);
      await this.#runner.submitChunk(rows, false);
      await this.#runner.settle();
      await this.#readBits(this.#runner.prefill.alpha, rows.length, chunk);
      await this.#readRows(rows.length, first + done, options);
    }
  }

  /** The bit computed at each token so far: u8 [layers, kvHeads, tokens]. */
  bits(): Uint8Array {
    const { config } = this.#runner.context;
    const heads = config.numHiddenLayers * config.numKeyValueHeads;
    const tokens = this.#bits.length;
    const all = new Uint8Array(heads * tokens);
    this.#bits.forEach((slab, token) => {
      slab.forEach((bit, head) => {
        all[head * tokens + token] = bit;
      });
    });
    return all;
  }

  /** Live slots: [layers * kvHeads]. */
  live(): Uint32Array {
    return this.#runner.cache.occupancy().live;
  }

  destroy(): void {
    this.#block.program.destroy();
    this.#runner.destroy();
  }

  async #step(id: number, row: number, options: EvaluateOptions): Promise<void> {
    const { context, shared, decode } = this.#runner;
    context.buffers.write(shared.tokens, 0, new Uint32Array([id]));
    const flight = await this.#runner.submitStep(false);
    await flight.token;
    await this.#readBits(decode.alpha, 1, 1);
    if (!options.rows?.(row)) return;
    const bytes = await readBuffer(context.gpu.device, shared.logits);
    options.onRow?.(row, new Float32Array(bytes));
  }

  async #readBits(alpha: GPUBuffer, rows: number, capacity: number): Promise<void> {
    const { config, gpu, gating } = this.#runner.context;
    const { numHiddenLayers: layers, numKeyValueHeads: heads } = config;
    const words = new Uint32Array(await readBuffer(gpu.device, alpha));
    for (let row = 0; row < rows; row++) {
      const slab = new Uint8Array(layers * heads);
      for (let i = 0; i < slab.length; i++) {
        const [layer, head] = [Math.floor(i / heads), gating.perHead ? i % heads : 0];
        slab[i] = words[(layer * capacity + row) * heads + head];
      }
      this.#bits.push(slab);
    }
  }

  async #readRows(count: number, first: number, options: EvaluateOptions): Promise<void> {
    const { context } = this.#runner;
    const { device } = context.gpu;
    const vocab = context.config.vocabSize;
    const wanted = Array.from({ length: count }, (_, i) => i).filter((i) => options.rows?.(first + i));
    while (wanted.length > 0) {
      const from = wanted[0];
      let length = 0;
      while (wanted[length] === from + length && length < BLOCK) length++;
      wanted.splice(0, length);
      const encoder = device.createCommandEncoder({ label: 'logits' });
      this.#block.prepare(from, length);
      this.#block.program.encode(encoder);
      device.queue.submit([encoder.finish()]);
      const logits = new Float32Array(await readBuffer(device, this.#block.logits, 0, length * vocab * 4));
      for (let i = 0; i < length; i++) options.onRow?.(first + from + i, logits.subarray(i * vocab, (i + 1) * vocab));
    }
  }
}
