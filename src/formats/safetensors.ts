/**
 * Reads and writes safetensors: a JSON header with each tensor's place, then the bytes. As strict as the format's own
 * reader: tensors cover the data without a gap or an overlap. It never runs code and never converts a value.
 */
import type { ByteSource } from '../util/byte_source.ts';
import { asCount, asFields, asText, FormatError, parseJson } from './errors.ts';
import {
  byName,
  type Checkpoint,
  checkedLayout,
  type TensorInfo,
  type TensorType,
  tensorBytes,
  tensorReads,
} from './tensor.ts';

/** The limit of the format's own reader. */
const MAX_HEADER_BYTES = 100_000_000;
const READABLE = ['F32', 'F16', 'BF16', 'U8', 'I32', 'I64', 'BOOL'] as const;

/**
 * Opens a safetensors file: reads its header and checks every tensor's place.
 * @throws FormatError that names the file, the tensor where there is one, and the fact
 */
export async function openSafetensors(source: ByteSource, signal?: AbortSignal): Promise<Checkpoint> {
  if (source.size < 8) {
    throw new FormatError(
      source.name,
      `it has ${source.size} bytes; a safetensors file begins with 8 that say its size.`,
    );
  }
  const prefix = await source.read(0, 8, signal);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, source.size - 8))) {
    throw new FormatError(
      source.name,
      `its header announces ${length} bytes, and the file has ${source.size}. It is cut short, or no safetensors file.`,
    );
  }
  const dataStart = 8 + Number(length);
  const headerName = `${source.name}: header`;
  const header = asFields(parseJson(await source.read(8, Number(length), signal), headerName), headerName);
  const infos: TensorInfo[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') infos.push(tensorInfo(name, entry, { file: source.name, dataStart }));
  }
  const sorted = checkedLayout(source.name, infos, dataStart, source.size);
  refuseGaps(source, sorted, dataStart);
  const tensors = byName(source.name, sorted);
  return {
    name: source.name,
    format: 'safetensors',
    metadata: metadataOf(header.__metadata__ ?? {}, `${source.name}: __metadata__`),
    tensors,
    ...tensorReads(source, tensors),
  };
}

function tensorInfo(name: string, entry: unknown, where: { file: string; dataStart: number }): TensorInfo {
  const subject = `${where.file}: tensor ${name}`;
  const { dtype, shape, data_offsets: range } = asFields(entry, subject);
  const type = READABLE.find((known) => known === dtype);
  if (type === undefined) {
    throw new FormatError(subject, `its type ${String(dtype)} is not supported; ${READABLE.join(', ')} are.`);
  }
  if (!Array.isArray(shape)) throw new FormatError(subject, 'it has no shape.');
  if (!Array.isArray(range) || range.length !== 2) throw new FormatError(subject, 'it has no pair of data_offsets.');
  const sizes = shape.map((size) => asCount(size, `${subject}: shape`));
  const [begin, end] = range.map((offset) => asCount(offset, `${subject}: data_offsets`));
  const byteLength = tensorBytes(type, sizes, subject);
  if (end - begin !== byteLength) {
    const fact = `${type} [${sizes.join(', ')}] takes ${byteLength} bytes, its offsets give ${end - begin}.`;
    throw new FormatError(subject, fact);
  }
  return { name, type, shape: sizes, offset: where.dataStart + begin, byteLength };
}

function refuseGaps(source: ByteSource, sorted: readonly TensorInfo[], dataStart: number): void {
  let end = dataStart;
  for (const { name, offset, byteLength } of sorted) {
    if (offset !== end) {
      throw new FormatError(`${source.name}: tensor ${name}`, `${offset - end} bytes before it belong to no tensor.`);
    }
    end += byteLength;
  }
  if (end !== source.size) {
    throw new FormatError(source.name, `${source.size - end} bytes at its end belong to no tensor.`);
  }
}

function metadataOf(value: unknown, subject: string): Readonly<Record<string, string>> {
  const entries = Object.entries(asFields(value, subject));
  return Object.fromEntries(
    entries.map(([key, text]) => [key, text === '' ? '' : asText(text, `${subject}: ${key}`)] as const),
  );
}

/** A tensor to write; the array's kind says the type. */
export interface TensorData {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint8Array | Int32Array;
}

/**
 * The bytes of a safetensors file of F32, U8 and I32 tensors. The same input gives the same bytes: tensors stand in
 * the order of their names, and the header is padded with spaces so that the data starts at a multiple of 8.
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, TensorData>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const names = Object.keys(tensors).sort();
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  // Wide types first, so that every tensor is aligned to its element size.
  const placed = [
    ...names.filter((name) => widthOf(tensors[name]) === 4),
    ...names.filter((n) => widthOf(tensors[n]) === 1),
  ];
  let end = 0;
  for (const name of placed) {
    const { shape, data } = tensors[name];
    const type: TensorType = data instanceof Float32Array ? 'F32' : data instanceof Int32Array ? 'I32' : 'U8';
    const byteLength = tensorBytes(type, shape, `tensor ${name}`);
    if (byteLength !== data.byteLength) {
      throw new FormatError(`tensor ${name}`, `shape [${shape.join(', ')}] does not hold ${data.length} values.`);
    }
    header[name] = { dtype: type, shape, data_offsets: [end, end + byteLength] };
    end += byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let at = 8 + headerBytes;
  for (const name of placed) {
    const { data } = tensors[name];
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

function widthOf(tensor: TensorData): number {
  return tensor.data.BYTES_PER_ELEMENT;
}
