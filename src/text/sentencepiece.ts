/**
 * SentencePiece's BPE vocabularies as `tokenizer.json` holds them (Llama 1 and 2, Mistral to v0.3, Phi-3): spaces are
 * written ▁, characters without a token of their own as bytes `<0xNN>`, and a ▁ goes before the first word. Where that
 * happens is what this file knows: before every segment between special tokens (`Prepend`, `Metaspace` always), at the
 * start of the text alone (`Metaspace` first), or nowhere. It refuses any other normalizer, pre-tokenizer or decoder.
 */
import { TextError } from './errors.ts';
import { type AddedToken, addedTokens, type Fields, fields, type OpenEncoder, type TextForm } from './text_form.ts';

/** Stands for a space: U+2581. */
const SPACE = '▁';
const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

interface Rules {
  /** Where a ▁ goes before a text: at its start, after each special token too, or nowhere. */
  readonly prefix: 'first' | 'segments' | 'never';
  /** True where a text that begins with a space gets a ▁ all the same. */
  readonly evenBeforeSpace: boolean;
  /** True where words are cut before each ▁ and never joined. */
  readonly split: boolean;
  /** True where text is normalised before it is searched for the tokens that ask for it. */
  readonly normalizes: boolean;
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The parts of a component of `tokenizer.json`, in order: of a `Sequence` those inside it, of none none. */
function partsOf(component: unknown): Fields[] {
  const own = fields(component);
  if (own.type === undefined) return [];
  if (own.type !== 'Sequence') return [own];
  return [own.normalizers, own.pretokenizers, own.decoders].flatMap(list).flatMap(partsOf);
}

const isText = (pattern: unknown, text: string): boolean => fields(pattern).String === text;

/** True where the decoder of `tokenizer.json` turns ▁ into spaces and `<0xNN>` into bytes. */
export function isSentencePiece(decoder: unknown): boolean {
  const types = partsOf(decoder).map(({ type }) => type);
  return types.includes('Replace') && types.includes('ByteFallback');
}

function refuse(what: string, part: unknown): never {
  const found = `${what} ${JSON.stringify(part).slice(0, 120)}`;
  throw new TextError(`The tokenizer's ${found} is not one of a SentencePiece vocabulary that is known here.`);
}

/** A `Metaspace`, in its newer form or with `add_prefix_space` as before. */
function metaspaceRules(part: Fields): Partial<Rules> {
  const { replacement, prepend_scheme: scheme, add_prefix_space: legacy, split } = part;
  if (replacement !== SPACE) refuse('pre-tokenizer', part);
  const where = scheme ?? (legacy === false ? 'never' : 'always');
  if (where !== 'first' && where !== 'always' && where !== 'never') refuse('pre-tokenizer', part);
  return { prefix: where === 'always' ? 'segments' : where, evenBeforeSpace: false, split: split !== false };
}

/** @throws TextError that quotes the part that is not known */
function rulesOf(json: Fields): Rules {
  let rules: Rules = { prefix: 'never', evenBeforeSpace: true, split: false, normalizes: false };
  for (const part of partsOf(json.normalizer)) {
    rules = { ...rules, normalizes: true };
    if (part.type === 'Prepend' && part.prepend === SPACE) rules = { ...rules, prefix: 'segments' };
    else if (part.type !== 'Replace' || !isText(part.pattern, ' ') || part.content !== SPACE) {
      refuse('normalizer', part);
    }
  }
  const before = partsOf(json.pre_tokenizer);
  if (before.length === 0 && !rules.normalizes) refuse('normalizer', json.normalizer ?? null);
  for (const part of before) {
    if (part.type !== 'Metaspace' || rules.prefix !== 'never') refuse('pre-tokenizer', part);
    rules = { ...rules, ...metaspaceRules(part) };
  }
  return rules;
}

/** The decoders that go without saying: ▁ into spaces, bytes into characters, and all into one text. */
const isPlain = ({ type, pattern, content }: Fields): boolean =>
  type === 'ByteFallback' || type === 'Fuse' || (type === 'Replace' && isText(pattern, SPACE) && content === ' ');

const isStrip = ({ type, content, start, stop }: Fields): boolean =>
  type === 'Strip' && content === ' ' && start === 1 && stop === 0;

/** True where the decoder drops one space at the start of a text. @throws TextError that quotes what is not known */
function stripsSpace(decoder: unknown): boolean {
  const parts = partsOf(decoder);
  const other = parts.find((part) => !isPlain(part) && !isStrip(part));
  if (other) refuse('decoder', other);
  return parts.some(isStrip);
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
const trimStart = (text: string): string => text.replace(/^\p{White_Space}+/u, '');

/** A loop, since a search for white space at the end takes the square of the longest run's length. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1])) end--;
  return text.slice(0, end);
}

/** The tokens that are searched for in a text as it is, before it is normalised. */
class Cutting {
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp;

  constructor(tokens: readonly AddedToken[]) {
    this.#byContent = new Map(tokens.map((token) => [token.content, token]));
    const longestFirst = [...this.#byContent.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = new RegExp(longestFirst.length > 0 ? `(${longestFirst.map(escaped).join('|')})` : '(?!)');
  }

  /** Text and the token after it, in turns; the last text has none. Texts are without the space that tokens take. */
  parts(text: string, before: AddedToken | undefined): { readonly text: string; readonly token?: AddedToken }[] {
    const cut = text.split(this.#pattern);
    let last = before;
    return cut.flatMap((own, i) => {
      if (i % 2 === 1) return [];
      const token = this.#byContent.get(cut[i + 1]);
      const ahead = last?.rstrip ? trimStart(own) : own;
      last = token;
      return [{ text: token?.lstrip ? trimEnd(ahead) : ahead, ...(token ? { token } : {}) }];
    });
  }

  /** The token that a text ends with, but for space that the token takes. */
  last(text: string): AddedToken | undefined {
    const trimmed = trimEnd(text);
    for (const token of this.#byContent.values()) {
      if (text.endsWith(token.content) || (token.rstrip && trimmed.endsWith(token.content))) return token;
    }
    return undefined;
  }
}

/**
 * How texts and tokens correspond.
 * @param json `tokenizer.json`, parsed
 * @throws TextError that quotes a part that is not known here
 */
export function sentencePieceForm(json: Fields, open: OpenEncoder): TextForm {
  const rules = rulesOf(json);
  const strips = stripsSpace(json.decoder);
  const added = addedTokens(json).filter(({ content }) => content !== '');
  const asItIs = ({ normalized }: AddedToken): boolean => !(normalized && rules.normalizes);
  const cutting = new Cutting(added.filter(asItIs));
  const normal = (text: string): string => text.replaceAll(' ', SPACE);
  const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text.replaceAll(SPACE, ' '));
  const written = (token: AddedToken): string => {
    if (asItIs(token)) return token.content;
    return (rules.prefix === 'segments' ? SPACE : '') + normal(token.content);
  };
  // Spaces and prefixes are put by us, since the library cannot be told that a text goes on. What is left to it are
  // the tokens that are searched for in normalised text, and the merges.
  const words = { type: 'Split', pattern: { Regex: `(?=${SPACE})` }, behavior: 'Isolated', invert: false };
  const encoder = open({
    ...json,
    ...{ normalizer: null, pre_tokenizer: rules.split ? words : null, decoder: null, post_processor: null },
    added_tokens: added.filter((token) => !asItIs(token)).map((token) => ({ ...token, content: written(token) })),
  });

  function addsSpaceAfter(after: string): boolean {
    if (rules.prefix === 'never') return false;
    return after === '' || (rules.prefix === 'segments' && cutting.last(after) !== undefined);
  }

  function encodeSegment(text: string, prefixed: boolean): readonly number[] {
    if (text === '') return [];
    const spaced = normal(text);
    const prefix = prefixed && (rules.evenBeforeSpace || !spaced.startsWith(SPACE)) ? SPACE : '';
    return encoder.encode(prefix + spaced, { add_special_tokens: false }).ids;
  }

  return {
    encode(text, after) {
      const parts = cutting.parts(text, cutting.last(after));
      return parts.flatMap((part, i) => [
        ...encodeSegment(part.text, i === 0 ? addsSpaceAfter(after) : rules.prefix === 'segments'),
        ...(part.token ? [part.token.id] : []),
      ]);
    },
    bytes(token) {
      const byte = BYTE.exec(token);
      return byte ? Uint8Array.of(Number.parseInt(byte[1], 16)) : bytesOf(token);
    },
    addedBytes: (token) => bytesOf(written(token)),
    addsSpaceAfter,
    stripsSpace: strips,
  };
}
