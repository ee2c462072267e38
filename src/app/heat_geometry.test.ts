import { expect, test } from 'vitest';
import type { Occupancy } from '../cache/occupancy.ts';
import { cellAt, cellRect, floorShare, heatGrid, heldShare, heldTokens, moveCell } from './heat_geometry.ts';

const grid = heatGrid(30, 3, 304);

const occupancy: Occupancy = {
  policy: 'dms',
  layers: 2,
  kvHeads: 3,
  window: 15,
  tokensSeen: 64,
  live: Uint32Array.of(16, 20, 64, 17, 32, 48),
  liveBytes: 1,
  allocatedBytes: 1,
  denseBytes: 1,
  ratio: 1,
};

test('the middle of every cell is that cell', () => {
  for (let layer = 0; layer < 30; layer++) {
    for (let head = 0; head < 3; head++) {
      const { x, y, width, height } = cellRect(grid, { layer, head });
      expect(cellAt(grid, x + width / 2, y + height / 2)).toEqual({ layer, head });
    }
  }
});

test('beside the cells there is none', () => {
  expect(cellAt(grid, 3, 100)).toBeNull();
  expect(cellAt(grid, 100, 3)).toBeNull();
  expect(cellAt(grid, grid.width + 1, 100)).toBeNull();
  expect(cellAt(grid, 100, grid.height + 1)).toBeNull();
});

test('arrow keys move by one cell and stay on the map', () => {
  expect(moveCell(grid, null, 'ArrowDown')).toEqual({ layer: 0, head: 0 });
  expect(moveCell(grid, { layer: 4, head: 1 }, 'ArrowDown')).toEqual({ layer: 5, head: 1 });
  expect(moveCell(grid, { layer: 29, head: 2 }, 'ArrowDown')).toEqual({ layer: 29, head: 2 });
  expect(moveCell(grid, { layer: 0, head: 0 }, 'ArrowLeft')).toEqual({ layer: 0, head: 0 });
  expect(moveCell(grid, { layer: 4, head: 1 }, 'Home')).toEqual({ layer: 0, head: 0 });
  expect(moveCell(grid, { layer: 4, head: 1 }, 'End')).toEqual({ layer: 29, head: 2 });
  expect(moveCell(grid, { layer: 4, head: 1 }, 'a')).toBeNull();
});

test('shares are of the tokens seen, layer by layer', () => {
  expect(heldTokens(occupancy, { layer: 1, head: 1 })).toBe(32);
  expect(heldShare(occupancy, { layer: 1, head: 1 })).toBe(0.5);
  expect(heldShare({ ...occupancy, tokensSeen: 0 }, { layer: 1, head: 1 })).toBe(0);
});

test('the floor is the window and the token itself', () => {
  expect(floorShare(occupancy)).toBe(16 / 64);
  expect(floorShare({ ...occupancy, tokensSeen: 10 })).toBe(1);
  expect(floorShare({ ...occupancy, window: 0 })).toBeNull();
});
