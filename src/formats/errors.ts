/** The one error of this folder: a file is not what it says it is, and the remedy is another file. */

/** Says which file or tensor is wrong and what was found there. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  /**
   * @param subject the file, with the tensor where there is one: `model.gguf: tensor blk.0.attn_q.weight`
   * @param fact what is wrong with it and what was expected
   */
  constructor(
    readonly subject: string,
    readonly fact: string,
    options?: ErrorOptions,
  ) {
    super(`${subject}: ${fact}`, options);
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** `value` as an object with string keys. @throws FormatError that names `subject` */
export function asFields(value: unknown, subject: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(subject, `expected an object, found ${Array.isArray(value) ? 'a list' : String(value)}.`);
  }
  return value as Fields;
}

/** `value` as a whole number from 0 that a double holds exactly. @throws FormatError that names `subject` */
export function asCount(value: unknown, subject: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new FormatError(subject, `expected a whole number from 0, found ${JSON.stringify(value)}.`);
  }
  return value;
}

/** `value` as a finite number. @throws FormatError that names `subject` */
export function asNumber(value: unknown, subject: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new FormatError(subject, `expected a number, found ${JSON.stringify(value)}.`);
  }
  return value;
}

/** `value` as text with at least one character. @throws FormatError that names `subject` */
export function asText(value: unknown, subject: string): string {
  if (typeof value !== 'string' || value === '') {
    throw new FormatError(subject, `expected a text, found ${JSON.stringify(value)}.`);
  }
  return value;
}

/** Bytes as UTF-8 text. @throws FormatError that names `subject` */
export function utf8Text(bytes: Uint8Array, subject: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(subject, 'this is not text in UTF-8.', { cause });
  }
}

/** Parses JSON text. @throws FormatError that names `subject` */
export function parseJson(bytes: Uint8Array, subject: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError(subject, `this is not JSON in UTF-8 (${String(cause)}).`, { cause });
  }
}
