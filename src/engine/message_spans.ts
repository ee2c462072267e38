/**
 * Which part of a chat's text belongs to which message. The chat template is the model's own program, so it is asked:
 * rendered once more with marks in the place of the contents, it shows what it puts around them.
 */
import type { ChatMessage } from './api.ts';

export interface MessageSpan {
  /** Index of the message; that of the answer under way is the number of messages. */
  readonly index: number;
  /** Characters, the end not included. */
  readonly start: number;
  readonly end: number;
}

/** Private-use characters, which no template looks for. */
const MARK = /\uE0F0(\d+)\uE0F1/g;

/**
 * @param text the chat so far; it may end within the messages, or behind them with a part of the answer
 * @param render the chat template
 * @returns spans in the order of the text; none behind a place where the text is not as the template makes it
 */
export function messageSpans(
  text: string,
  messages: readonly ChatMessage[],
  render: (messages: readonly ChatMessage[]) => string,
): readonly MessageSpan[] {
  if (messages.length === 0) return [];
  const marked = render(messages.map((message, i) => ({ ...message, content: `\uE0F0${i}\uE0F1` })));
  const spans: MessageSpan[] = [];
  const marks = [...marked.matchAll(MARK)];
  let at = 0;
  for (const [i, mark] of marks.entries()) {
    const before = marked.slice(i === 0 ? 0 : endOf(marks[i - 1]), mark.index);
    if (!text.startsWith(before, at)) return spans;
    const start = at + before.length;
    const after = marked.slice(endOf(mark), marks[i + 1]?.index);
    const content = messages[Number(mark[1])]?.content ?? '';
    const end = endOfContent(text, { start, content, after });
    spans.push({ index: Number(mark[1]), start, end });
    at = end;
  }
  const tail = marked.slice(marks.length === 0 ? 0 : endOf(marks[marks.length - 1]));
  if (!text.startsWith(tail, at)) return spans;
  return [...spans, { index: messages.length, start: at + tail.length, end: text.length }];
}

function endOf(mark: RegExpExecArray): number {
  return mark.index + mark[0].length;
}

/** The template may have trimmed the content or cut parts out of it, so it ends where what follows begins. */
function endOfContent(
  text: string,
  { start, content, after }: { readonly start: number; readonly content: string; readonly after: string },
): number {
  const known = [content, content.trim()].find((form) => text.startsWith(form, start))?.length ?? 0;
  if (after === '') return start + known;
  const end = text.indexOf(after, start + known);
  return end === -1 ? text.length : end;
}
