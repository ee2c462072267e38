/** A sharded checkpoint as one safetensors file that is not there: a header of its own, then the shards' bytes. */
import type { ByteSource } from '../util/byte_source.ts';
import { requireRange } from './sources.ts';
import type { Checkpoint } from './tensor.ts';

/** Reads are answered from the shards, so that nothing is held but what is asked for. */
export function joinedShards(name: string, checkpoint: Checkpoint): ByteSource {
  const header: Record<string, unknown> = {};
  const places: { readonly tensor: string; readonly begin: number; readonly end: number }[] = [];
  let size = 0;
  for (const { name: tensor, type, shape, byteLength } of checkpoint.tensors.values()) {
    header[tensor] = { dtype: type, shape, data_offsets: [size, size + byteLength] };
    places.push({ tensor, begin: size, end: size + byteLength });
    size += byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const jsonBytes = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + jsonBytes).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(jsonBytes), true);
  head.set(json, 8);
  return {
    name,
    size: head.length + size,
    async read(offset, length, signal) {
      requireRange(name, head.length + size, { offset, length });
      const bytes = new Uint8Array(length);
      bytes.set(head.subarray(Math.min(offset, head.length), Math.min(offset + length, head.length)));
      // Counted from the first byte behind the header.
      const [from, to] = [offset - head.length, offset + length - head.length];
      for (const { tensor, begin, end } of places) {
        const [first, last] = [Math.max(from, begin), Math.min(to, end)];
        if (first >= last) continue;
        const range = { offset: first - begin, length: last - first };
        bytes.set(await checkpoint.readRange(tensor, range, signal), first - from);
      }
      return bytes;
    },
  };
}
