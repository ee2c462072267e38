import { describe, expect, it } from 'vitest';
import * as geometry from './timeline_geometry.ts';

const samples = [
  { tokens: 100, live: 1000, dense: 2000 },
  { tokens: 400, live: 2500, dense: 8000 },
];
const scale = geometry.timelineScale(samples, 300);
const bottom = scale.height - geometry.MARGIN.bottom;

describe('the timeline', () => {
  it('fits every sample between its margins, the origin at the bottom left', () => {
    expect([scale.tokens, scale.bytes]).toEqual([400, 8000]);
    expect(geometry.xOf(scale, 0)).toBe(geometry.MARGIN.left);
    expect(geometry.xOf(scale, 400)).toBe(300 - geometry.MARGIN.right);
    expect(geometry.yOf(scale, 0)).toBe(bottom);
    expect(geometry.yOf(scale, 8000)).toBe(geometry.MARGIN.top);
    expect(geometry.yOf(scale, 4000)).toBe((geometry.MARGIN.top + bottom) / 2);
  });

  it('fits a memory that is larger than the dense one', () => {
    expect(geometry.timelineScale([{ tokens: 1, live: 30, dense: 20 }], 300).bytes).toBe(30);
  });

  it('draws a line from the empty memory through every sample', () => {
    const x = (tokens: number) => geometry.xOf(scale, tokens).toFixed(1);
    const y = (bytes: number) => geometry.yOf(scale, bytes).toFixed(1);
    expect(geometry.linePath(scale, samples, 'live')).toBe(
      `M${x(0)} ${y(0)}L${x(100)} ${y(1000)}L${x(400)} ${y(2500)}`,
    );
    expect(geometry.linePath(scale, samples, 'dense')).toContain(`L${x(400)} ${y(8000)}`);
  });

  it.each([
    [8000, [0, 2000, 4000, 6000, 8000]],
    [1000, [0, 200, 400, 600, 800, 1000]],
    [999, [0, 200, 400, 600, 800]],
    [3, [0, 1, 2, 3]],
    [1.2e6, [0, 500_000, 1_000_000]],
    [0, [0]],
  ])('divides %d at round figures', (most, steps) => {
    const found = geometry.roundSteps(most);
    expect(found).toHaveLength(steps.length);
    for (const [index, step] of steps.entries()) expect(found[index]).toBeCloseTo(step, 6);
  });

  it('finds the nearest sample', () => {
    expect(geometry.sampleAt(scale, samples, 0)).toBe(0);
    expect(geometry.sampleAt(scale, samples, geometry.xOf(scale, 249))).toBe(0);
    expect(geometry.sampleAt(scale, samples, geometry.xOf(scale, 251))).toBe(1);
    expect(geometry.sampleAt(scale, [], 5)).toBeNull();
  });

  it('moves by keys, from the newest on, and never leaves the line', () => {
    expect(geometry.moveSample(20, null, 'ArrowLeft')).toBe(19);
    expect(geometry.moveSample(20, null, 'Home')).toBe(0);
    expect(geometry.moveSample(20, 19, 'ArrowLeft')).toBe(18);
    expect(geometry.moveSample(20, 19, 'ArrowRight')).toBe(19);
    expect(geometry.moveSample(20, 19, 'PageDown')).toBe(17);
    expect(geometry.moveSample(20, 5, 'End')).toBe(19);
    expect(geometry.moveSample(20, 5, 'a')).toBeNull();
    expect(geometry.moveSample(20, 5, 'toString')).toBeNull();
    expect(geometry.moveSample(0, null, 'End')).toBeNull();
  });

  it('labels the last mark and those that have room', () => {
    expect(geometry.labelled([60, 64, 100, 200, 210])).toEqual([false, true, true, false, true]);
    expect(geometry.labelled([])).toEqual([]);
  });
});
