/** Where the timeline's lines and marks stand, in CSS pixels. Plain arithmetic: no DOM, and nothing about bytes. */
import type { MemorySample } from '../ui/chat_state.ts';

/** Room for the labels of the bytes at the left and of the tokens below. */
export const MARGIN = { left: 52, right: 8, top: 8, bottom: 20 } as const;
export const TIMELINE_HEIGHT = 132;

/** The least distance of two labels of turns. */
const LABEL_PITCH = 18;

export interface TimelineScale {
  readonly width: number;
  readonly height: number;
  /** Tokens at the right edge and bytes at the top edge of the plot. */
  readonly tokens: number;
  readonly bytes: number;
}

/** A scale on which every sample fits. @param width of the whole drawing */
export function timelineScale(samples: readonly MemorySample[], width: number): TimelineScale {
  const last = samples.at(-1);
  const bytes = samples.reduce((most, { live, dense }) => Math.max(most, live, dense), 0);
  return { width, height: TIMELINE_HEIGHT, tokens: Math.max(1, last?.tokens ?? 0), bytes: Math.max(1, bytes) };
}

export function xOf(scale: TimelineScale, tokens: number): number {
  return MARGIN.left + (tokens / scale.tokens) * (scale.width - MARGIN.left - MARGIN.right);
}

export function yOf(scale: TimelineScale, bytes: number): number {
  const bottom = scale.height - MARGIN.bottom;
  return bottom - (bytes / scale.bytes) * (bottom - MARGIN.top);
}

/** An SVG path from the empty memory through the samples. */
export function linePath(scale: TimelineScale, samples: readonly MemorySample[], which: 'live' | 'dense'): string {
  const points = [{ tokens: 0, live: 0, dense: 0 }, ...samples];
  return points
    .map((sample, index) => {
      const [x, y] = [xOf(scale, sample.tokens), yOf(scale, sample[which])];
      return `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}

/** Round figures from 0 upwards that divide `most` into two to five parts: 1, 2 or 5 times a power of ten. */
export function roundSteps(most: number): readonly number[] {
  if (!(most > 0)) return [0];
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.5, 1].map((part) => part * power).find((size) => most / size <= 5) ?? 2 * power;
  const count = Math.floor(most / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** Index of the sample whose tokens stand nearest to `x`; null where there are none. */
export function sampleAt(scale: TimelineScale, samples: readonly MemorySample[], x: number): number | null {
  let nearest: number | null = null;
  let distance = Number.POSITIVE_INFINITY;
  for (const [index, { tokens }] of samples.entries()) {
    const away = Math.abs(xOf(scale, tokens) - x);
    if (away < distance) [nearest, distance] = [index, away];
  }
  return nearest;
}

/** The sample that a key leads to; null for another key or without samples. PageUp and PageDown leap a tenth. */
export function moveSample(count: number, from: number | null, key: string): number | null {
  const leap = Math.max(1, Math.round(count / 10));
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: -1,
    ArrowDown: -1,
    ArrowRight: 1,
    ArrowUp: 1,
    PageDown: -leap,
    PageUp: leap,
    Home: -count,
    End: count,
  };
  const step = Object.hasOwn(steps, key) ? steps[key] : undefined;
  if (step === undefined || count === 0) return null;
  const start = from ?? (key === 'Home' ? 0 : count - 1);
  return Math.min(count - 1, Math.max(0, from === null ? start : start + step));
}

/** Which of the marks at `xs`, in rising order, get a label: the last, and before it those that have room. */
export function labelled(xs: readonly number[]): readonly boolean[] {
  const shown = xs.map(() => false);
  let right = Number.POSITIVE_INFINITY;
  for (let index = xs.length - 1; index >= 0; index--) {
    if (right - xs[index] < LABEL_PITCH) continue;
    shown[index] = true;
    right = xs[index];
  }
  return shown;
}
