/** The merges that a SentencePiece vocabulary implies, for an encoder that wants them by rank. */
import { TextError } from './errors.ts';

/** SentencePiece's own limit is 16 unless it is told otherwise; every split of a token costs its length. */
const LONGEST = 256;

interface Merge {
  readonly pair: readonly [string, string];
  /** Of the token that they make; the best is merged first. */
  readonly score: number;
  /** Characters (code points) of the two. */
  readonly lengths: readonly [number, number];
}

function splitsOf(token: string, score: number, known: ReadonlyMap<string, unknown>): Merge[] {
  if (token.length > LONGEST) {
    const text = `${JSON.stringify(token.slice(0, 20))}...`;
    throw new TextError(`The token ${text} has ${token.length} characters; a vocabulary's have at most ${LONGEST}.`);
  }
  const characters = Array.from(token);
  const merges: Merge[] = [];
  let at = 0;
  for (let i = 1; i < characters.length; i++) {
    at += characters[i - 1].length;
    const pair = [token.slice(0, at), token.slice(at)] as const;
    if (known.has(pair[0]) && known.has(pair[1])) {
      merges.push({ pair, score, lengths: [i, characters.length - i] });
    }
  }
  return merges;
}

/**
 * Every split of a token into two tokens, best score first; of equal ones the longer halves first, then the order of
 * the vocabulary (`generate_merges` in Hugging Face's transformers).
 * @param scores one a token
 * @throws TextError when a token is absurdly long
 */
export function mergesByScore(tokens: readonly string[], scores: readonly number[]): (readonly [string, string])[] {
  const scoreOf = new Map(tokens.map((token, id) => [token, scores[id]]));
  const merges = [...scoreOf].flatMap(([token, score]) => splitsOf(token, score, scoreOf));
  merges.sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1]);
  return merges.map(({ pair }) => pair);
}
