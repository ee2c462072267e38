/** What a reader can do with a turn beyond reading it, as the page gives it to the views. */
import type { UserTurn } from './chat_state.ts';
import type { Place } from './turn_tree.ts';

export interface TurnActions {
  /** An answer can be asked for now. */
  ready(): boolean;
  /** No answer is under way: another version may be shown. */
  idle(): boolean;
  placeOf(id: number): Place;
  /** Puts a message into the field, to be sent in its other version. */
  edit(turn: UserTurn): void;
  regenerate(id: number): void;
  /** Shows the version before or behind. */
  choose(id: number, step: 1 | -1): void;
}
