/**
 * The widget's entry: importing it defines `<lethe-chat>`. On a server, where there are no elements, it does nothing;
 * in a page the element itself comes by a request of its own, and all that chats comes when it is first opened.
 */
import type { LetheChat, LetheChatEvents } from './widget/lethe_chat.ts';

export type { LetheChat, LetheChatEvents } from './widget/lethe_chat.ts';
export type { WidgetOptions } from './widget/widget_options.ts';
export type { WidgetStrings } from './widget/widget_strings.ts';

declare global {
  interface HTMLElementTagNameMap {
    'lethe-chat': LetheChat;
  }
  interface HTMLElementEventMap extends LetheChatEvents {}
}

if (typeof customElements !== 'undefined') void import('./widget/register.ts').then(({ register }) => register());
