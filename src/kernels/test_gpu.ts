/** A real device for the kernel tests: Dawn in Node, on the adapter that VK_ICD_FILENAMES chooses. Never a mock. */
import { create, globals } from 'webgpu';
import { BufferPool, readBuffer } from '../gpu/buffers.ts';
import { type Gpu, openGpu, withErrorScopes } from '../gpu/device.ts';
import type { Elem } from '../gpu/linker.ts';
import { type OpSpec, Program } from '../gpu/program.ts';
import { packF16, unpackF16 } from '../util/f16.ts';

export const SENTINEL = 0x7ab5c3d1;

/** Data behind `before` words that no kernel may touch. */
export function padded(data: Uint32Array, before: number): Uint32Array {
  return Uint32Array.from([...new Array(before).fill(SENTINEL), ...data]);
}
const GUARD_WORDS = 64;

/** Dawn crashes when its instance is collected while devices live, so the instance is held for the whole process. */
const dawn = create([]);

/** Opens Dawn once for a test file. */
export class TestGpu {
  readonly gpu: Gpu;
  readonly buffers: BufferPool;
  readonly #outputs = new Map<GPUBuffer, number>();

  private constructor(gpu: Gpu) {
    this.gpu = gpu;
    this.buffers = new BufferPool(gpu.device);
  }

  static async open(): Promise<TestGpu> {
    Object.assign(globalThis, globals);
    return new TestGpu(await openGpu({ gpu: dawn }));
  }

  /** A storage buffer with these words. */
  input(data: Float32Array | Uint32Array | Int32Array): GPUBuffer {
    return this.buffers.upload('input', data);
  }

  /** A storage buffer with these activations in the given element type. */
  activations(values: Float32Array, elem: Elem): GPUBuffer {
    return this.input(elem === 'f16' ? packF16(values) : values);
  }

  /** A storage buffer of `words` u32 filled with sentinels, and sentinels past its end that `read*` checks. */
  output(words: number): GPUBuffer {
    const buffer = this.input(new Uint32Array(words + GUARD_WORDS).fill(SENTINEL));
    this.#outputs.set(buffer, words);
    return buffer;
  }

  /** As `output`, with contents: for buffers that a kernel reads and writes. */
  inout(data: Float32Array | Uint32Array): GPUBuffer {
    const buffer = this.output(data.length);
    this.buffers.write(buffer, 0, data);
    return buffer;
  }

  /** Runs dispatches in order, inside error scopes. */
  async run(...specs: readonly OpSpec[]): Promise<void> {
    const { device, pipelines } = this.gpu;
    await withErrorScopes(device, specs.map((s) => s.label).join(', '), async () => {
      const program = new Program(device, 'test');
      for (const spec of specs) program.add(spec);
      await program.build(pipelines);
      const encoder = device.createCommandEncoder();
      program.encode(encoder);
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
    });
  }

  /** The words of a buffer; throws when the sentinels past the end of an output were overwritten. */
  async readU32(buffer: GPUBuffer): Promise<Uint32Array> {
    const all = new Uint32Array(await readBuffer(this.gpu.device, buffer));
    const words = this.#outputs.get(buffer);
    if (words === undefined) return all;
    const stray = all.subarray(words).findIndex((word) => word !== SENTINEL);
    if (stray >= 0) throw new Error(`kernel wrote ${stray} words past the end of its output`);
    return all.slice(0, words);
  }

  async readF32(buffer: GPUBuffer): Promise<Float32Array> {
    return new Float32Array((await this.readU32(buffer)).buffer);
  }

  /** `length` activations of the given element type. */
  async readActivations(buffer: GPUBuffer, elem: Elem, length: number): Promise<Float32Array> {
    if (elem === 'f32') return (await this.readF32(buffer)).slice(0, length);
    return unpackF16(await this.readU32(buffer), length);
  }

  /** Words that `length` activations of the element type take. */
  words(elem: Elem, length: number): number {
    return elem === 'f16' ? Math.ceil(length / 2) : length;
  }
}

/** Largest |got - want| / (|want| rms + tiny), over all elements. Not a number counts as infinite. */
export function maxRelativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new Error(`lengths differ: ${got.length} and ${want.length}`);
  let square = 0;
  for (let i = 0; i < want.length; i++) square += want[i] ** 2;
  const scale = Math.sqrt(square / Math.max(1, want.length)) + 1e-30;
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i] - want[i]) / scale;
    worst = Number.isFinite(error) ? Math.max(worst, error) : Number.POSITIVE_INFINITY;
  }
  return worst;
}
