/** Timestamp queries around compute passes; browsers round them to 65,536 ns, so time many dispatches, not one. */
import { readBuffer } from './buffers.ts';

export class PassTimer {
  readonly #device: GPUDevice;
  readonly #query: GPUQuerySet;
  readonly #resolved: GPUBuffer;

  /** The device needs `timestamp-query`. */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#query = device.createQuerySet({ label: 'pass timer', type: 'timestamp', count: 2 });
    // QUERY_RESOLVE | COPY_SRC
    this.#resolved = device.createBuffer({ label: 'pass timer', size: 16, usage: 0x200 | 0x04 });
  }

  /** For `beginComputePass`. */
  get writes(): GPUComputePassTimestampWrites {
    return { querySet: this.#query, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  }

  /** Records the resolve of the pass timed last. */
  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.#query, 0, 2, this.#resolved, 0);
  }

  /** Milliseconds of the pass resolved last; waits for the queue. */
  async read_ms(): Promise<number> {
    const [begin, end] = new BigUint64Array(await readBuffer(this.#device, this.#resolved));
    return Number((end ?? 0n) - (begin ?? 0n)) / 1e6;
  }

  destroy(): void {
    this.#query.destroy();
    this.#resolved.destroy();
  }
}
