/** Names the element. It is loaded where there are elements only, never on a server. */
import { LetheChat } from './lethe_chat.ts';

/** Defines `<lethe-chat>`, unless the page has one already. */
export function register(): void {
  if (!customElements.get('lethe-chat')) customElements.define('lethe-chat', LetheChat);
}
