/** The one error of this folder: a model's vocabulary or chat template is of a kind that we do not run. */
export class TextError extends Error {
  override readonly name = 'TextError';
}
