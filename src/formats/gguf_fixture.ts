/** Writes small GGUF files for tests, wrong ones too: what a careful writer would refuse to write, this one writes. */

export interface FixtureTensor {
  readonly name: string;
  /** As GGUF lists it: the contiguous dimension first. */
  readonly dimensions: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

/** A number is an unsigned one of 32 bits; so are those of a list. */
export type MetadataValue = string | number | readonly string[] | readonly number[];

export interface Fixture {
  readonly magic?: string;
  readonly version?: number;
  readonly metadata?: readonly (readonly [key: string, value: MetadataValue])[];
  readonly tensors?: readonly FixtureTensor[];
  /** Overrides the true counts. */
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
  /** Bytes after the header, at the next multiple of 32. */
  readonly dataBytes?: number;
}

class Writer {
  readonly bytes: number[] = [];
  u32(value: number): void {
    for (let i = 0; i < 4; i++) this.bytes.push((value >>> (8 * i)) & 255);
  }
  u64(value: number | bigint): void {
    for (let i = 0n; i < 8n; i++) this.bytes.push(Number((BigInt(value) >> (8n * i)) & 255n));
  }
  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.u64(bytes.length);
    this.bytes.push(...bytes);
  }
}

export function ggufFixture(fixture: Fixture): Uint8Array {
  const { metadata = [], tensors = [], dataBytes = 0 } = fixture;
  const w = new Writer();
  w.bytes.push(...new TextEncoder().encode(fixture.magic ?? 'GGUF'));
  w.u32(fixture.version ?? 3);
  w.u64(fixture.tensorCount ?? tensors.length);
  w.u64(fixture.entryCount ?? metadata.length);
  for (const [key, value] of metadata) {
    w.text(key);
    if (typeof value === 'string') {
      w.u32(8);
      w.text(value);
    } else if (typeof value === 'number') {
      w.u32(4);
      w.u32(value);
    } else {
      w.u32(9);
      w.u32(typeof value[0] === 'number' ? 4 : 8);
      w.u64(value.length);
      for (const item of value) typeof item === 'number' ? w.u32(item) : w.text(item);
    }
  }
  for (const { name, dimensions, type, offset } of tensors) {
    w.text(name);
    w.u32(dimensions.length);
    for (const size of dimensions) w.u64(size);
    w.u32(type);
    w.u64(offset);
  }
  while (w.bytes.length % 32 !== 0) w.bytes.push(0);
  for (let i = 0; i < dataBytes; i++) w.bytes.push(i & 255);
  return Uint8Array.from(w.bytes);
}
