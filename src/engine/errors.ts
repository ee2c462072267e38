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
