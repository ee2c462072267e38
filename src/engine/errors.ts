/** Errors of the engine for which a caller is shown a different remedy. */

/** The request itself is wrong; `param` is the field that must be changed. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  constructor(
    readonly param: string,
    message: string,
  ) {
    super(message);
  }
}

/** Something that is known only of a model that runs here was asked of one that runs at a server. */
export class NotOnServerError extends Error {
  override readonly name = 'NotOnServerError';
}

/** A saved memory cannot be restored here; what was in the cache before is still there. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  constructor(
    /** model, cache: made with another model, or other settings of the cache. The others: the file cannot be read. */
    readonly reason: 'model' | 'cache' | 'version' | 'truncated' | 'corrupted',
    message: string,
  ) {
    super(message);
  }
}
