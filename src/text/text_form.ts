/** What the two kinds of vocabulary, byte-level and SentencePiece's, have in common. */

export type Fields = Readonly<Record<string, unknown>>;

/** A parsed JSON value as an object; one without fields where it is none. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** The library's encoder, as far as it is used; the package's own types name no library. */
export interface Encoder {
  encode(text: string, options: { readonly add_special_tokens: false }): { readonly ids: number[] };
}

/** Makes the library's encoder of a `tokenizer.json`. @throws TextError in the library's words */
export type OpenEncoder = (json: Fields) => Encoder;

/** How texts and tokens correspond. */
export interface TextForm {
  /** Ids of a text that follows `after`; '' where it is the start. */
  encode(text: string, after: string): number[];
  /** UTF-8 bytes that a token stands for, by its text in the vocabulary. */
  bytes(token: string): Uint8Array;
  /** UTF-8 bytes of a token that is searched for as it is. */
  addedBytes(token: AddedToken): Uint8Array;
  /** True where a text after `after` is encoded with a space before it that is not in the text. */
  addsSpaceAfter(after: string): boolean;
  /** True where decoding drops one space at the start. */
  readonly stripsSpace: boolean;
}

/** A token that is searched for in a text before all else. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** True where it takes the white space before it, or after it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** True where it is searched for after the text is normalised. */
  readonly normalized: boolean;
}

/** The added tokens of `tokenizer.json`; entries without an id or a text are passed over. */
export function addedTokens(json: Fields): AddedToken[] {
  const list = Array.isArray(json.added_tokens) ? json.added_tokens.map(fields) : [];
  return list.flatMap(({ id, content, special, lstrip, rstrip, normalized }) =>
    typeof id === 'number' && typeof content === 'string'
      ? [
          {
            ...{ id, content, special: special === true, lstrip: lstrip === true, rstrip: rstrip === true },
            normalized: normalized === undefined ? special !== true : normalized === true,
          },
        ]
      : [],
  );
}
