/** Makes labelled buffers and counts their bytes. Every storage buffer of Lethe is made here. */

const STORAGE = 0x80;
const COPY_SRC = 0x04;
const COPY_DST = 0x08;
const MAP_READ = 0x01;

type Words = Uint32Array | Int32Array | Float32Array | Uint8Array | Uint16Array;

/** Makes buffers on one device and knows how many bytes of them are alive. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #live = new Set<GPUBuffer>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes of all buffers made here and not yet destroyed. */
  get allocatedBytes(): number {
    let total = 0;
    for (const buffer of this.#live) total += buffer.size;
    return total;
  }

  /** A storage buffer of `size` bytes, rounded up to 4, zeroed. */
  storage(label: string, size: number): GPUBuffer {
    const rounded = Math.max(4, Math.ceil(size / 4) * 4);
    const buffer = this.#device.createBuffer({ label, size: rounded, usage: STORAGE | COPY_SRC | COPY_DST });
    this.#live.add(buffer);
    return buffer;
  }

  /** A storage buffer with these contents. */
  upload(label: string, data: Words): GPUBuffer {
    const buffer = this.storage(label, data.byteLength);
    this.write(buffer, 0, data);
    return buffer;
  }

  /** Queues a write of `data` at `offset` bytes; what is submitted afterwards sees it. */
  write(buffer: GPUBuffer, offset: number, data: Words): void {
    const padded = data.byteLength % 4 === 0 ? data : padToWords(data);
    this.#device.queue.writeBuffer(buffer, offset, padded.buffer, padded.byteOffset, padded.byteLength);
  }

  /** Gives the buffer's memory back. */
  destroy(buffer: GPUBuffer): void {
    this.#live.delete(buffer);
    buffer.destroy();
  }

  destroyAll(): void {
    for (const buffer of this.#live) buffer.destroy();
    this.#live.clear();
  }
}

function padToWords(data: Words): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return bytes;
}

/**
 * Reads `size` bytes of `buffer` from `offset`, once; waits for all that was submitted before. For checks and loads.
 */
export async function readBuffer(device: GPUDevice, buffer: GPUBuffer, offset = 0, size = buffer.size - offset) {
  return readParts(device, [[buffer, offset, size]]);
}

/** Reads parts of buffers (buffer, byte offset, byte length), one after the other, in one go. None is no bytes. */
export async function readParts(
  device: GPUDevice,
  parts: readonly (readonly [GPUBuffer, number, number])[],
): Promise<ArrayBuffer> {
  const size = parts.reduce((sum, [, , length]) => sum + length, 0);
  if (size === 0) return new ArrayBuffer(0);
  const staging = device.createBuffer({ label: 'read back', size, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder({ label: 'read back' });
  let at = 0;
  for (const [buffer, offset, length] of parts) {
    encoder.copyBufferToBuffer(buffer, offset, staging, at, length);
    at += length;
  }
  device.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(MAP_READ);
    return staging.getMappedRange().slice(0);
  } finally {
    staging.destroy();
  }
}

/** A ring of staging buffers that bring small results back some steps late, without a wait on the critical path. */
export class ReadbackRing {
  readonly #device: GPUDevice;
  readonly #free: GPUBuffer[] = [];
  readonly #size: number;
  readonly #all: GPUBuffer[] = [];

  /** `depth` results of `size` bytes each may be on their way at a time. */
  constructor(device: GPUDevice, label: string, size: number, depth: number) {
    this.#device = device;
    this.#size = size;
    for (let i = 0; i < depth; i++) {
      const buffer = device.createBuffer({ label: `${label} ${i}`, size, usage: MAP_READ | COPY_DST });
      this.#free.push(buffer);
      this.#all.push(buffer);
    }
  }

  /** True when a result can be recorded now. */
  get ready(): boolean {
    return this.#free.length > 0;
  }

  /**
   * Records the copies of `sources` (buffer, byte offset, byte length), one after the other, into `encoder`. Call
   * `collect` of the result after the submit.
   */
  record(encoder: GPUCommandEncoder, sources: readonly (readonly [GPUBuffer, number, number])[]) {
    const staging = this.#free.pop();
    if (!staging) throw new Error('assertion failed: every buffer of the read-back ring is on its way');
    let at = 0;
    for (const [buffer, offset, length] of sources) {
      encoder.copyBufferToBuffer(buffer, offset, staging, at, length);
      at += length;
    }
    if (at > this.#size) throw new Error(`assertion failed: ${at} bytes do not fit the read-back ring's ${this.#size}`);
    return {
      collect: async (): Promise<ArrayBuffer> => {
        await staging.mapAsync(MAP_READ, 0, this.#size);
        const bytes = staging.getMappedRange().slice(0, at);
        staging.unmap();
        this.#free.push(staging);
        return bytes;
      },
    };
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
  }

  get device(): GPUDevice {
    return this.#device;
  }
}
