/** Files that are kept under names from visit to visit: the seam, and a keeper that forgets with the process. */

export interface KeptFile {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** Whole files by name. A name is any text whose file's name has at most 200 bytes: 200 Latin letters do. */
export interface FileKeeper {
  /** Writes a file in the place of one of that name. @throws Error when there is no room; the old one stays */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Null when there is none. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Does nothing when there is none. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly KeptFile[]>;
}

const SUFFIX = '.kept';
const LONGEST_FILE = 200;

/** The name in the file system: safe in a folder, and the same text again by `nameOfFile`. @throws Error */
export function fileOfName(name: string): string {
  const safe = safeOf(name);
  if (safe !== '' && safe.length <= LONGEST_FILE) return `${safe}${SUFFIX}`;
  throw new Error(
    `A saved file's name must be a short text, at most ${LONGEST_FILE} bytes, not ${JSON.stringify(name)}.`,
  );
}

/** Percent signs in the place of all that a file system may take amiss; nothing for half a character. */
function safeOf(name: string): string {
  try {
    return encodeURIComponent(name).replace(/[!'()*.~]/g, (mark) => `%${hex(mark)}`);
  } catch {
    return '';
  }
}

function hex(mark: string): string {
  return mark.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
}

/** Null for a file that is none of ours. */
export function nameOfFile(file: string): string | null {
  if (!file.endsWith(SUFFIX)) return null;
  try {
    return decodeURIComponent(file.slice(0, -SUFFIX.length));
  } catch {
    return null;
  }
}

/** Keeps files in memory. */
export function memoryKeeper(): FileKeeper {
  const files = new Map<string, { readonly bytes: Uint8Array<ArrayBuffer>; readonly modified: number }>();
  return {
    async write(name, bytes) {
      files.set(fileOfName(name), { bytes: bytes.slice(), modified: Date.now() });
    },
    async read(name) {
      return files.get(fileOfName(name))?.bytes.slice() ?? null;
    },
    async remove(name) {
      files.delete(fileOfName(name));
    },
    async list() {
      return [...files].map(([file, { bytes, modified }]) => {
        return { name: nameOfFile(file) ?? file, bytes: bytes.length, modified };
      });
    },
  };
}
