/** Errors of the cache for which a person is shown a different remedy. */

/** The context, the budget or the GPU's memory is full. The chat and the cache are as they were. */
export class CacheFullError extends Error {
  override readonly name = 'CacheFullError';
  constructor(
    readonly reason: 'context' | 'budget' | 'memory',
    message: string,
  ) {
    super(message);
  }
}

/** A policy was asked for that the model cannot follow. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}
