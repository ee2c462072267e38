/**
 * Cuts a growing answer into whole sentences for a screen reader's live region, so that it speaks in sentences and not
 * in tokens. It knows the marks of most scripts; it does not parse.
 */

/** A sentence ends at its mark with closing quotes, before white space; or at a line break. */
const SENTENCE_END = /[.!?…]+["'”’)\]]*(?=\s)|[。！？]+["'”’」』）]*|\n+/gu;

/** Where the last whole sentence of `text` ends, looking from `from`; `from` when there is none yet. */
export function lastSentenceEnd(text: string, from: number): number {
  let end = from;
  for (const match of text.slice(from).matchAll(SENTENCE_END)) end = from + match.index + match[0].length;
  return end;
}

/** Markdown's marks taken away, for the ear. */
export function speakable(text: string): string {
  return text
    .replace(/^```.*$/gmu, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/gu, '$1')
    .replace(/^[ \t]*(?:#{1,6}|>|[-*+]|\d+\.)[ \t]+/gmu, '')
    .replace(/\*\*|__|[`*]/gu, '')
    .trim();
}
