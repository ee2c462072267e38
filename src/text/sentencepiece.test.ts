/**
 * A SentencePiece vocabulary against Python's `tokenizers`, in every form that `tokenizer.json` has and as GGUF
 * metadata (testdata/make_conformance.py): 2,300 strings, and places where a text goes on after another.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { renderChat, type TemplateMessage } from './chat_template.ts';
import { Detokenizer } from './detokenizer.ts';
import { tokenizerFromGguf } from './gguf_tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

type Ids = readonly number[];
/** Ids of a text, and what they decode to, with special tokens and without; null where it is the text. */
type Case = readonly [Ids, string | null, string | null];
interface Form {
  readonly tokenizer: { readonly model: { readonly merges: string } };
  readonly count: number;
  /** By the string's index; where none is given, the case of `legacy`. */
  readonly cases: Readonly<Record<number, Case>>;
  /** What precedes, what follows, its ids and what a reader sees of it. */
  readonly goesOn: readonly (readonly [string, string, Ids, string])[];
}
interface Vectors {
  /** Text, score, type. */
  readonly pieces: readonly (readonly [string, number, number])[];
  readonly strings: readonly string[];
  readonly merges: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  readonly forms: Readonly<Record<string, Form>>;
  readonly templates: Readonly<Record<string, string>>;
  readonly chats: readonly {
    readonly template: string;
    readonly messages: readonly TemplateMessage[];
    readonly text?: string;
    readonly ids?: Ids;
    /** The template's own words. */
    readonly refusal?: string;
  }[];
}

const read = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(new URL(`testdata/${name}`, import.meta.url))).toString());
const { pieces, merges, forms, strings: extra, templates, chats } = read('sentencepiece.json.gz') as Vectors;
const strings = [...extra, ...(read('conformance.json.gz') as Vectors).strings];
const vocab = Object.fromEntries(pieces.map(([text], id) => [text, id]));

function fromJson({ tokenizer }: Form): Tokenizer {
  const model = { ...tokenizer.model, vocab, merges: merges[tokenizer.model.merges] };
  return createTokenizer({ ...tokenizer, model });
}

/** The metadata that llama.cpp's converter writes for a tokenizer.model: its types are SentencePiece's. */
const metadata = {
  'tokenizer.ggml.model': 'llama',
  'tokenizer.ggml.pre': 'default',
  'tokenizer.ggml.tokens': pieces.map(([text]) => text),
  'tokenizer.ggml.scores': pieces.map(([, score]) => score),
  'tokenizer.ggml.token_type': pieces.map(([, , type]) => type),
  'tokenizer.ggml.bos_token_id': 1,
  'tokenizer.ggml.eos_token_id': 2,
};
function fromGguf(changes: object = {}): Tokenizer {
  const { tokenizerJson, tokenizerConfig } = tokenizerFromGguf({ ...metadata, ...changes });
  return createTokenizer(tokenizerJson, tokenizerConfig);
}

/**
 * Symptom: the package tokenizers 0.23 shows special tokens with `normalized: true` where it is told to skip them: it
 * looks for "<s>" and finds "▁<s>". Ours are skipped. Delete this when the package skips them too.
 */
const NEVER_SKIPPED = forms.normalized;

/** Strings whose ids or decoded texts differ, so that a failure shows all of them. */
function wrong(tokenizer: Tokenizer, form: Form) {
  const { count, cases } = form;
  return strings.slice(0, count).flatMap((text, i) => {
    const [ids, back, visible] = cases[i] ?? forms.legacy.cases[i];
    const got = {
      ids: tokenizer.encode(text).join(),
      back: tokenizer.decode(ids),
      visible: tokenizer.decode(ids, { skipSpecialTokens: true }),
    };
    const same = got.ids === ids.join() && got.back === (back ?? text);
    return same && (got.visible === (visible ?? text) || form === NEVER_SKIPPED)
      ? []
      : [{ text, ...got, expected: [ids.join(), back, visible] }];
  });
}

function stream(tokenizer: Tokenizer, ids: Ids, after: string) {
  const detokenizer = new Detokenizer(tokenizer, after);
  const all = [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
  return { text: all.map(({ text }) => text).join(''), raw: all.map(({ raw }) => raw).join('') };
}

/** Texts whose ids after another text differ, or that are shown otherwise than Python decodes them. */
const wrongAfter = (tokenizer: Tokenizer, form: Form) =>
  form.goesOn.flatMap(([before, after, ids, visible]) => {
    const got = { ids: tokenizer.encode(after, before).join(), visible: stream(tokenizer, ids, before).text };
    const same = got.ids === ids.join() && (got.visible === visible || form === NEVER_SKIPPED);
    return same ? [] : [{ before, after, ids: ids.join(), visible, got }];
  });

const FORMS = ['legacy', 'first', 'normalized', 'bare', 'always', 'never', 'words', 'phi3'] as const;

it('has 2,300 strings, and places enough', () => {
  expect(new Set(strings).size).toBeGreaterThan(2290);
  expect(Object.keys(forms)).toEqual(FORMS);
  for (const { goesOn } of Object.values(forms)) expect(goesOn.length).toBeGreaterThan(150);
});

describe.each(FORMS)('tokenizer.json, %s', (name) => {
  const tokenizer = fromJson(forms[name]);
  it('gives identical ids and texts', () => expect(wrong(tokenizer, forms[name])).toEqual([]));
  it('goes on after a text', () => expect(wrongAfter(tokenizer, forms[name])).toEqual([]));
});

describe('GGUF metadata', () => {
  it('gives the merges of `generate_merges`', () => {
    expect((tokenizerFromGguf(metadata).tokenizerJson.model as Vectors).merges).toEqual(merges.legacy);
  });
  it('gives identical ids and texts', () => expect(wrong(fromGguf(), forms.legacy)).toEqual([]));
  it('takes merges that the file has beside its scores, as older ones do', () => {
    const listed = merges.legacy.map((pair) => pair.join(' '));
    const older = fromGguf({ 'tokenizer.ggml.merges': listed, 'tokenizer.ggml.scores': undefined });
    expect(wrong(older, forms.legacy)).toEqual([]);
  });
  it('goes on after a text', () => expect(wrongAfter(fromGguf(), forms.legacy)).toEqual([]));
  it('adds no space where it says so', () => {
    const bare = fromGguf({ 'tokenizer.ggml.add_space_prefix': false });
    expect(wrong(bare, forms.bare)).toEqual([]);
    expect(wrongAfter(bare, forms.bare)).toEqual([]);
  });
});

/** Where tokens cannot tell the text: a space is taken for the one that is added, or white space goes to a token. */
const LOST: Readonly<Record<string, RegExp>> = {
  first: /▁|^ /,
  words: /▁|^ /,
  always: /▁|^ |> /,
  phi3: /▁|\|>\p{White_Space}/u,
};

describe.each(FORMS)('the text of a stream, %s', (name) => {
  it('encodes to its tokens again, wherever they begin', () => {
    const tokenizer = fromJson(forms[name]);
    const { cases, count, goesOn } = forms[name];
    const wholes = strings
      .slice(0, count)
      .map((text, i) => ['', text, (cases[i] ?? forms.legacy.cases[i])[0]] as const);
    for (const [before, after, ids] of [...wholes, ...goesOn]) {
      if (!(LOST[name] ?? /▁/).test(before + after)) expect(stream(tokenizer, ids, before).raw).toBe(after);
    }
  });
});

describe.each(Object.keys(templates))('a chat by the template of %s', (name) => {
  const own = chats.filter(({ template }) => template === name);
  const tokenizer = fromGguf();
  const render = (messages: readonly TemplateMessage[]) =>
    renderChat(templates[name], messages, { addGenerationPrompt: true, bosToken: '<s>', eosToken: '</s>' });
  it('is the text and the ids of `apply_chat_template`', () => {
    const allowed = own.filter(({ refusal }) => refusal === undefined);
    expect(allowed.length).toBeGreaterThan(3);
    for (const { messages, text, ids } of allowed) {
      expect(render(messages)).toBe(text);
      expect(tokenizer.encode(render(messages))).toEqual(ids);
    }
  });
  it('is refused in the same words', () => {
    for (const { messages, refusal } of own) if (refusal) expect(() => render(messages)).toThrow(refusal);
  });
});

describe('refusals', () => {
  const json = (changes: object) => () => createTokenizer({ ...forms.legacy.tokenizer, ...changes });
  it('quotes a part that is not known', () => {
    expect(json({ normalizer: { type: 'NFKC' } })).toThrow(/normalizer {"type":"NFKC"} is not one of a SentencePiece/);
    expect(json({ pre_tokenizer: { type: 'Split', pattern: { String: ' ' } } })).toThrow(
      /pre-tokenizer {"type":"Split"/,
    );
    expect(json({ pre_tokenizer: { type: 'Metaspace', replacement: '_' } })).toThrow(
      /pre-tokenizer {"type":"Metaspace"/,
    );
    const decoders = [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Strip', content: ' ', start: 2, stop: 0 },
    ];
    expect(json({ decoder: { type: 'Sequence', decoders } })).toThrow(
      /decoder {"type":"Strip","content":" ","start":2/,
    );
  });
  it('names what a GGUF file lacks', () => {
    expect(() => fromGguf({ 'tokenizer.ggml.scores': undefined })).toThrow(/no usable tokenizer\.ggml\.scores/);
    expect(() => fromGguf({ 'tokenizer.ggml.scores': [1] })).toThrow(/1200 tokens and 1 scores; it is damaged/);
    const tokens = [...metadata['tokenizer.ggml.tokens'].slice(1), 'x'.repeat(300)];
    expect(() => fromGguf({ 'tokenizer.ggml.tokens': tokens })).toThrow(/"xxx.* has 300 characters; .* at most 256/);
  });
});

it('knows the special tokens', () => {
  const tokenizer = fromGguf();
  expect([tokenizer.bosToken, tokenizer.eosToken, tokenizer.vocabSize]).toEqual(['<s>', '</s>', 1200]);
  expect(['<unk>', '<s>', '</s>', '<0x0A>'].map((text) => tokenizer.tokenId(text))).toEqual([0, 1, 2, 13]);
  expect([0, 1, 2, 13].map((id) => tokenizer.isSpecial(id))).toEqual([true, true, true, false]);
});
