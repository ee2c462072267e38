/** The one way files are read: by range. `store` implements it, `formats` reads by it; where bytes live is not said. */

/** A file of known size that can be read by range. */
export interface ByteSource {
  /** Name for error messages, such as `model.gguf`. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; rejects with an error that names the file when they cannot be had. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** What a model's description says of a file: bytes, and lower-case hexadecimal. */
export interface Expected {
  readonly size: number;
  readonly sha256: string;
}

/** A set of files under one name: a folder on disk, an address that ends in `/`, dropped files. */
export interface FileSet {
  readonly name: string;
  /**
   * Opens a file of the set, or returns null when the set has no file of that name. A set that keeps files compares
   * what it kept with what is `expected`.
   */
  open(name: string, signal?: AbortSignal, expected?: Expected): Promise<ByteSource | null>;
}
