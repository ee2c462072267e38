/** Files that a person chose or dropped. They are found by their own names; folders around them are not looked at. */
import type { ByteSource, FileSet } from '../util/byte_source.ts';

/** One chosen file. */
export function blobFile(file: File): ByteSource {
  return {
    name: file.name,
    size: file.size,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      if (offset < 0 || length < 0 || offset + length > file.size) {
        throw new Error(`${file.name}: bytes ${offset} to ${offset + length} were asked for, it has ${file.size}.`);
      }
      const bytes = new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
      signal?.throwIfAborted();
      if (bytes.length !== length)
        throw new Error(`${file.name}: the file changed while it was read; choose it again.`);
      return bytes;
    },
  };
}

/** Chosen files under one name for messages. */
export function blobFileSet(files: readonly File[], name = 'the chosen files'): FileSet {
  return {
    name,
    async open(wanted, signal) {
      signal?.throwIfAborted();
      const file = files.find((candidate) => candidate.name === wanted);
      return file ? blobFile(file) : null;
    },
  };
}
