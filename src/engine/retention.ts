/** Who still remembers what: for each token of the cache, the heads that hold it. Plain counting; it asks no GPU. */
import type { SessionForm } from '../model/session_types.ts';
import { Detokenizer } from '../text/detokenizer.ts';
import type { Retention } from './api.ts';
import type { ChatText } from './chat_text.ts';
import type { ConversationState } from './conversation.ts';
import { messageSpans } from './message_spans.ts';

/**
 * @param dropped [layers * kvHeads, ceil(tokens / 32)]: a bit for each token that a head has dropped
 */
export function retentionOf(args: {
  readonly tokens: number;
  readonly form: Pick<SessionForm, 'layers' | 'kvHeads'>;
  readonly dropped: Uint32Array;
  readonly conversation: ConversationState;
  readonly text: ChatText;
}): Retention {
  const { tokens, form, dropped, conversation, text } = args;
  const { layers, kvHeads } = form;
  const holders = new Uint16Array(tokens);
  const perLayer = new Uint8Array(tokens * layers);
  const words = Math.ceil(tokens / 32);
  for (let head = 0; head < layers * kvHeads; head++) {
    const layer = Math.floor(head / kvHeads);
    for (let token = 0; token < tokens; token++) {
      const gone = (dropped[head * words + (token >> 5)] >>> (token & 31)) & 1;
      holders[token] += 1 - gone;
      perLayer[token * layers + layer] += 1 - gone;
    }
  }
  return { tokensSeen: tokens, layers, kvHeads, holders, perLayer, ...textOf({ tokens, conversation, text }) };
}

function textOf(args: { readonly tokens: number; readonly conversation: ConversationState; readonly text: ChatText }) {
  const { tokens, conversation, text } = args;
  const detokenizer = new Detokenizer(text.tokenizer);
  const pieces = conversation.ids.slice(0, tokens).map((id) => detokenizer.push(id).raw);
  const spans = messageSpans(pieces.join(''), conversation.messages, (messages) => text.render(messages));
  const messages = new Int32Array(tokens);
  let at = 0;
  pieces.forEach((piece, token) => {
    // A token that is a part of a character has no text of its own yet and stands where the character does.
    const end = at + Math.max(1, piece.length);
    messages[token] = spans.find((span) => span.start < end && span.end > at)?.index ?? -1;
    at += piece.length;
  });
  return { text: pieces, messages };
}
