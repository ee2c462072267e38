/**
 * A chat as a tree of turns: whatever is asked or answered anew becomes a sibling of what it stands in for, and nothing
 * is lost. One line from the root to a leaf is shown. Values only: every change returns another tree.
 */
import { defined } from '../util/assert.ts';
import type { Turn } from './chat_state.ts';

/** A turn and the turn that it follows; null at the beginning of the chat. */
export type TreeTurn = Turn & { readonly parent: number | null };

export interface TurnTree {
  /** In the order in which they were made: a parent stands before its children. */
  readonly turns: readonly TreeTurn[];
  /** The last turn of the line that is shown; null when the chat is empty. */
  readonly leaf: number | null;
}

/** Which of its siblings a turn is. */
export interface Place {
  /** Counted from 1. */
  readonly at: number;
  readonly of: number;
}

export const EMPTY_TREE: TurnTree = { turns: [], leaf: null };

/** The turns from the root to the leaf. */
export function pathOf({ turns, leaf }: TurnTree): readonly TreeTurn[] {
  const path: TreeTurn[] = [];
  let wanted = leaf;
  for (const turn of turns.toReversed()) {
    if (turn.id !== wanted) continue;
    path.push(turn);
    wanted = turn.parent;
  }
  return path.reverse();
}

export function placeOf({ turns }: TurnTree, id: number): Place {
  const siblings = siblingsOf(turns, id);
  return { at: siblings.findIndex((turn) => turn.id === id) + 1, of: siblings.length };
}

/** Puts turns behind the turn `parent`, each behind the one before, and shows them. */
export function grown(tree: TurnTree, parent: number | null, added: readonly Turn[]): TurnTree {
  const turns = added.map((turn, index) => ({ ...turn, parent: added[index - 1]?.id ?? parent }));
  return { turns: [...tree.turns, ...turns], leaf: turns.at(-1)?.id ?? tree.leaf };
}

/** The tree with a turn in the place of the one of its id. */
export function replaced(tree: TurnTree, turn: Turn): TurnTree {
  const turns = tree.turns.map((old) => (old.id === turn.id ? { ...turn, parent: old.parent } : old));
  return { ...tree, turns };
}

/** Shows the sibling `step` places on, and what was said last under it; the same tree where there is none. */
export function moved(tree: TurnTree, id: number, step: 1 | -1): TurnTree {
  const siblings = siblingsOf(tree.turns, id);
  const next = siblings[siblings.findIndex((turn) => turn.id === id) + step];
  return next ? { ...tree, leaf: newestLeaf(tree.turns, next.id) } : tree;
}

/** The turn that a turn follows, or null. */
export function parentOf({ turns }: TurnTree, id: number): number | null {
  return turnOf(turns, id).parent;
}

function turnOf(turns: readonly TreeTurn[], id: number): TreeTurn {
  return defined(
    turns.find((turn) => turn.id === id),
    'a turn of the tree',
  );
}

function siblingsOf(turns: readonly TreeTurn[], id: number): readonly TreeTurn[] {
  const { parent } = turnOf(turns, id);
  return turns.filter((turn) => turn.parent === parent);
}

/** Follows the newest child down to the end. */
function newestLeaf(turns: readonly TreeTurn[], id: number): number {
  const child = turns.findLast((turn) => turn.parent === id);
  return child ? newestLeaf(turns, child.id) : id;
}
