/**
 * Where the heat map's cells lie: a row per layer, a cell per KV head, with room for labels at the left. Lengths are
 * CSS
 * pixels. Pure arithmetic: the element draws.
 */
import type { Occupancy } from '../cache/occupancy.ts';

export interface HeatGrid {
  readonly layers: number;
  readonly kvHeads: number;
  /** Width of the whole map, labels included. */
  readonly width: number;
  readonly height: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
}

export interface Cell {
  readonly layer: number;
  readonly head: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Room at the left for the numbers of the layers. */
export const LABEL_WIDTH = 24;

/** Room at the top for the numbers of the heads. */
export const LABEL_HEIGHT = 16;

const GAP = 1;
const PREFERRED_HEIGHT = 320;
const LEAST_CELL = 5;
const MOST_CELL = 14;

/** The grid for a width; its height follows from the number of layers. */
export function heatGrid(layers: number, kvHeads: number, width: number): HeatGrid {
  const cellHeight = Math.min(MOST_CELL, Math.max(LEAST_CELL, Math.floor(PREFERRED_HEIGHT / Math.max(1, layers))));
  return {
    layers,
    kvHeads,
    width,
    height: LABEL_HEIGHT + layers * cellHeight,
    cellWidth: (width - LABEL_WIDTH) / Math.max(1, kvHeads),
    cellHeight,
  };
}

/** The cell's rectangle, less the gap to its neighbours. */
export function cellRect(grid: HeatGrid, { layer, head }: Cell): Rect {
  return {
    x: LABEL_WIDTH + head * grid.cellWidth,
    y: LABEL_HEIGHT + layer * grid.cellHeight,
    width: grid.cellWidth - GAP,
    height: grid.cellHeight - GAP,
  };
}

/** The cell under a point, or null beside the cells. */
export function cellAt(grid: HeatGrid, x: number, y: number): Cell | null {
  const head = Math.floor((x - LABEL_WIDTH) / grid.cellWidth);
  const layer = Math.floor((y - LABEL_HEIGHT) / grid.cellHeight);
  const inside = head >= 0 && head < grid.kvHeads && layer >= 0 && layer < grid.layers;
  return inside ? { layer, head } : null;
}

/** The cell that a key leads to, from none to the first; null for a key that does not move. */
export function moveCell(grid: HeatGrid, from: Cell | null, key: string): Cell | null {
  const steps: Readonly<Record<string, readonly [number, number]>> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    PageUp: [-5, 0],
    PageDown: [5, 0],
    Home: [-grid.layers, -grid.kvHeads],
    End: [grid.layers, grid.kvHeads],
  };
  const step = Object.hasOwn(steps, key) ? steps[key] : undefined;
  if (!step) return null;
  if (!from) return key === 'End' ? { layer: grid.layers - 1, head: grid.kvHeads - 1 } : { layer: 0, head: 0 };
  const clamp = (value: number, count: number): number => Math.min(count - 1, Math.max(0, value));
  return { layer: clamp(from.layer + step[0], grid.layers), head: clamp(from.head + step[1], grid.kvHeads) };
}

/** Tokens that the cell's head holds. */
export function heldTokens(occupancy: Occupancy, { layer, head }: Cell): number {
  return occupancy.live[layer * occupancy.kvHeads + head] ?? 0;
}

/** Share of the conversation that the cell's head holds, 0 to 1. */
export function heldShare(occupancy: Occupancy, cell: Cell): number {
  return occupancy.tokensSeen === 0 ? 0 : heldTokens(occupancy, cell) / occupancy.tokensSeen;
}

/** The least share that any head can hold: the window's, which never forgets. Null where there is no window. */
export function floorShare(occupancy: Occupancy): number | null {
  if (occupancy.window === 0 || occupancy.tokensSeen === 0) return null;
  return Math.min(1, (occupancy.window + 1) / occupancy.tokensSeen);
}
