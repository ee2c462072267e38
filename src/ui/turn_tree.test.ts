/** Chats that branch, drawn by hand. */
import { expect, test } from 'vitest';
import type { Turn } from './chat_state.ts';
import { EMPTY_TREE, grown, moved, parentOf, pathOf, placeOf, replaced, type TurnTree } from './turn_tree.ts';

function question(id: number): Turn {
  return { id, role: 'user', text: `question ${id}` };
}

function answer(id: number): Turn {
  return { id, role: 'assistant', text: `answer ${id}`, activity: 'idle', note: '' };
}

function shown(tree: TurnTree): number[] {
  return pathOf(tree).map(({ id }) => id);
}

/**
 *   1 ── 2 ── 3 ── 4          3 was edited to 5, the answer 6 was asked for again as 7;
 *        └─── 5 ─┬ 6          8 and 9 go on from 7; 10 is another beginning.
 *                └ 7 ── 8 ── 9
 *   10 ── 11
 */
function branching(): TurnTree {
  let tree = grown(EMPTY_TREE, null, [question(1), answer(2)]);
  tree = grown(tree, 2, [question(3), answer(4)]);
  tree = grown(tree, 2, [question(5), answer(6)]);
  tree = grown(tree, 5, [answer(7)]);
  tree = grown(tree, 7, [question(8), answer(9)]);
  return grown(tree, null, [question(10), answer(11)]);
}

test('what was made last is shown, from the root', () => {
  expect(shown(EMPTY_TREE)).toEqual([]);
  expect(shown(branching())).toEqual([10, 11]);
});

test('moving to a sibling shows what was said last under it', () => {
  const tree = branching();
  const back = moved(tree, 10, -1);
  expect(shown(back)).toEqual([1, 2, 5, 7, 8, 9]);
  expect(shown(moved(back, 5, -1))).toEqual([1, 2, 3, 4]);
  expect(shown(moved(back, 7, -1))).toEqual([1, 2, 5, 6]);
  expect(shown(moved(moved(back, 7, -1), 6, 1))).toEqual([1, 2, 5, 7, 8, 9]);
});

test('there is nothing before the first sibling and behind the last', () => {
  const tree = branching();
  expect(moved(tree, 1, -1)).toBe(tree);
  expect(moved(tree, 10, 1)).toBe(tree);
  expect(moved(tree, 2, 1)).toBe(tree);
});

test('each turn knows its place among its siblings', () => {
  const tree = branching();
  const places = Object.fromEntries(tree.turns.map(({ id }) => [id, placeOf(tree, id)]));
  expect(places[1]).toEqual({ at: 1, of: 2 });
  expect(places[10]).toEqual({ at: 2, of: 2 });
  expect(places[2]).toEqual({ at: 1, of: 1 });
  expect([places[3], places[5]]).toEqual([
    { at: 1, of: 2 },
    { at: 2, of: 2 },
  ]);
  expect([parentOf(tree, 5), parentOf(tree, 1)]).toEqual([2, null]);
});

test('a turn is replaced where it stands, and no tree is changed', () => {
  const tree = branching();
  const copy = structuredClone(tree);
  const longer = replaced(tree, { ...answer(7), text: 'more' });
  expect(longer.turns.find(({ id }) => id === 7)).toEqual({ ...answer(7), text: 'more', parent: 5 });
  expect(longer.leaf).toBe(tree.leaf);
  moved(tree, 10, -1);
  grown(tree, 4, [question(12)]);
  expect(tree).toEqual(copy);
});
