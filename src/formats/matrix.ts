/**
 * A weight's bytes seen as rows, checked against the tensor's shape. Rows in ggml's interleaved-RoPE order are found
 * in half-split order. Little-endian machines only, which all that run WebGPU are.
 */
import { FormatError } from './errors.ts';
import { BLOCKS, type TensorInfo, type TensorType, type WeightType } from './tensor.ts';

/** A tensor's bytes with all that its readers need to walk them. */
export interface Matrix {
  readonly name: string;
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  /** The file's bytes as 16-bit words; all types are a whole number of these. */
  readonly halves: Uint16Array;
  /** 16-bit words of a row. */
  readonly rowHalves: number;
  /** Row of the file that holds row r, or null where they are the same. */
  readonly rowInFile: Uint32Array | null;
}

const RAW: readonly TensorType[] = ['U8', 'I32', 'I64', 'BOOL'];

function isWeightType(type: TensorType): type is WeightType {
  return !RAW.includes(type);
}

/** A matrix, or a vector as one row. @throws FormatError when the bytes are not the tensor's or are no weight's */
export function checkedMatrix(info: TensorInfo, bytes: Uint8Array): Matrix {
  const { name, type, shape, interleavedHeads: heads } = info;
  if (!isWeightType(type)) throw new FormatError(`tensor ${name}`, `${type} is not a type that weights can have.`);
  // A bias of heads is permuted by elements, so it is seen as a column.
  const vector = shape.length < 2;
  const elements = shape.reduce((product, size) => product * size, 1);
  const cols = vector ? (heads ? 1 : elements) : shape[shape.length - 1];
  const rows = cols === 0 ? 0 : elements / cols;
  const block = BLOCKS[type];
  if (cols % block.elements !== 0) {
    const fact = `rows of ${cols} elements do not divide into ${type} blocks of ${block.elements}.`;
    throw new FormatError(`tensor ${name}`, fact);
  }
  const expected = (elements / block.elements) * block.bytes;
  if (bytes.length !== expected) {
    throw new FormatError(
      `tensor ${name}`,
      `${type} [${shape.join(', ')}] takes ${expected} bytes, not ${bytes.length}.`,
    );
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return {
    name,
    type,
    rows,
    cols,
    halves: new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2),
    rowHalves: ((cols / block.elements) * block.bytes) / 2,
    rowInFile: heads ? interleavedRows(rows, heads) : null,
  };
}

/** First 16-bit word of row `row`. */
export function rowStart({ rowInFile, rowHalves }: Matrix, row: number): number {
  return (rowInFile ? rowInFile[row] : row) * rowHalves;
}

/** Copies the rows, in order, as they are in the file. */
export function copyRows(matrix: Matrix, target: Uint16Array): void {
  const { rows, halves, rowHalves, rowInFile } = matrix;
  if (rowInFile === null) {
    target.set(halves);
    return;
  }
  for (let row = 0; row < rows; row++) {
    const from = rowInFile[row] * rowHalves;
    target.set(halves.subarray(from, from + rowHalves), row * rowHalves);
  }
}

/**
 * Half-split row (head, half, i) comes from interleaved row (head, i, half): the inverse of `permute` in ggml's
 * convert_hf_to_gguf.py.
 */
function interleavedRows(rows: number, heads: number): Uint32Array {
  const dim = rows / heads;
  return Uint32Array.from({ length: rows }, (_, row) => {
    const inHead = row % dim;
    const half = inHead >= dim / 2 ? 1 : 0;
    return row - inHead + 2 * (inHead - (half * dim) / 2) + half;
  });
}
