/**
 * What the cache still holds of a conversation, in words and in pieces that a view can draw: tokens grouped by the
 * message that they belong to. It counts nothing itself; the counts are the engine's.
 */
import type { Retention } from '../engine/api.ts';
import { formatTokens } from '../ui/format.ts';

/** Tokens of one message, or of the text that the chat template puts between messages. */
export interface TokenGroup {
  /** Who speaks; null for the text between messages. */
  readonly speaker: string | null;
  /** Index of the first token and the one behind the last. */
  readonly start: number;
  readonly end: number;
}

const SPEAKERS: Readonly<Record<string, string>> = { system: 'System prompt', user: 'You', assistant: 'Answer' };

/** Groups in the order of the tokens. @param roles of the messages, the answer to the last one included */
export function tokenGroups({ messages }: Pick<Retention, 'messages'>, roles: readonly string[]): TokenGroup[] {
  const groups: TokenGroup[] = [];
  let start = 0;
  for (let token = 1; token <= messages.length; token++) {
    if (token < messages.length && messages[token] === messages[start]) continue;
    const role = roles[messages[start]];
    groups.push({ speaker: messages[start] < 0 ? null : (SPEAKERS[role] ?? 'Answer'), start, end: token });
    start = token;
  }
  return groups;
}

/** Share of the heads that still hold the token, 0 to 1. */
export function shareOf({ holders, layers, kvHeads }: Retention, token: number): number {
  return holders[token] / (layers * kvHeads);
}

/** `“ river”: 45 of 90 heads remember it, in layers 1–4 and 12`. */
export function tokenWords(retention: Retention, token: number): string {
  const { holders, perLayer, layers, kvHeads, text } = retention;
  const heads = layers * kvHeads;
  const name = `Token ${token + 1}, ${quoted(text[token])}`;
  if (holders[token] === 0) return `${name}: forgotten by all ${heads} heads`;
  if (holders[token] === heads) return `${name}: all ${heads} heads remember it`;
  const holding = Array.from({ length: layers }, (_, layer) => layer + 1).filter(
    (layer) => perLayer[token * layers + layer - 1] > 0,
  );
  return `${name}: ${holders[token]} of ${heads} heads remember it, in ${layerWords(holding, layers)}`;
}

/** One line about the whole conversation. */
export function retentionWords(retention: Retention): string {
  const { holders, tokensSeen, layers, kvHeads } = retention;
  const heads = layers * kvHeads;
  const held = holders.reduce((sum, count) => sum + count, 0);
  const share = tokensSeen === 0 ? 0 : Math.round((100 * held) / (tokensSeen * heads));
  const none = holders.filter((count) => count === 0).length;
  const all = holders.filter((count) => count === heads).length;
  return `${formatTokens(tokensSeen)}: ${all} remembered by every head, ${none} by none, ${share}% on average`;
}

/** Layers counted from 1, in rising order: `layers 1–4, 7 and 12`. */
export function layerWords(holding: readonly number[], layers: number): string {
  if (holding.length === layers) return 'every layer';
  const runs: [number, number][] = [];
  for (const layer of holding) {
    const last = runs.at(-1);
    if (last && last[1] === layer - 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  const words = runs.map(([first, last]) => {
    if (first === last) return `${first}`;
    return last === first + 1 ? `${first}, ${last}` : `${first}–${last}`;
  });
  return `${holding.length === 1 ? 'layer' : 'layers'} ${words.join(', ')}`;
}

/** The token's text between quotation marks; what cannot be seen by its name. */
function quoted(text: string): string {
  if (text === '') return 'part of a character';
  return `“${text.replaceAll('\n', '↵').replaceAll('\t', '⇥')}”`;
}
