/** The errors of the model level for which a person is shown a different remedy. */

/** The checkpoint is of a kind that Lethe cannot run; the message names it and says what is supported. */
export class UnsupportedModelError extends Error {
  override readonly name = 'UnsupportedModelError';
}
