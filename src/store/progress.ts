/** Counting the bytes of a load. It draws nothing and knows no files. */
import type { FileSet } from '../util/byte_source.ts';

/** A set whose reads are counted: for disks and dropped files; `httpFileSet` counts as bytes come in. */
export function withProgress(files: FileSet, onBytes: (bytes: number) => void): FileSet {
  return {
    name: files.name,
    async open(name, signal, expected) {
      const source = await files.open(name, signal, expected);
      if (!source) return null;
      return {
        name: source.name,
        size: source.size,
        async read(offset, length, readSignal) {
          const bytes = await source.read(offset, length, readSignal);
          onBytes(bytes.length);
          return bytes;
        },
      };
    },
  };
}

/** Adds up bytes for a report of `loaded` of `total`. */
export interface LoadCounter {
  /** For `onBytes` of the file set. */
  readonly onBytes: (bytes: number) => void;
  /** For `onTotal` of `openModel`; before it, nothing is reported. */
  readonly onTotal: (total: number) => void;
}

/** `report` gets figures that never fall, and `loaded` never above `total`: bytes that come twice do not count. */
export function loadCounter(report: (loaded: number, total: number) => void): LoadCounter {
  let loaded = 0;
  let total: number | null = null;
  const tell = () => {
    if (total !== null) report(Math.min(loaded, total), total);
  };
  return {
    onBytes(bytes) {
      loaded += bytes;
      tell();
    },
    onTotal(bytes) {
      total = bytes;
      // What came before, the description of the model, is not part of it.
      loaded = 0;
      tell();
    },
  };
}
