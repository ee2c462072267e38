/**
 * A model's Markdown as sanitised blocks of HTML. An answer is never trusted: no scripts, styles, forms, ids or
 * pictures
 * (a picture would call another server). Blocks are separate so that a growing answer re-draws its last block only.
 */
import DOMPurify from 'dompurify';
import { Marked, type Tokens } from 'marked';

/** A block of an answer: finished HTML, or code that the page frames itself. */
export type Block =
  | { readonly kind: 'html'; readonly html: string }
  | { readonly kind: 'code'; readonly code: string; readonly language: string };

const ALLOWED_TAGS = [
  ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'pre', 'code', 'em'],
  ...['strong', 'del', 'sub', 'sup', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
];

const marked = new Marked({ gfm: true, breaks: false });
const purify = DOMPurify();
purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer nofollow');
});

/** Cuts an answer into blocks; a code block that is still open counts as one. */
export function markdownBlocks(text: string): readonly Block[] {
  const blocks: Block[] = [];
  for (const token of marked.lexer(text)) {
    if (token.type === 'space' || token.type === 'def') continue;
    if (token.type === 'code') {
      const { text: code, lang } = token as Tokens.Code;
      blocks.push({ kind: 'code', code, language: (lang ?? '').trim().split(/\s/u)[0] ?? '' });
    } else {
      blocks.push({ kind: 'html', html: sanitise(marked.parser([token])) });
    }
  }
  return blocks;
}

/** HTML with everything taken out that is not plain text formatting. */
export function sanitise(html: string): string {
  return purify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR: ['href', 'start', 'align'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/iu,
  });
}
