/**
 * How much a model may be told to forget: eviction offsets, each with what it was measured to give, in words. It makes
 * up no figures: an offset that nobody measured says so.
 */
import type { EngineInfo } from '../engine/api.ts';
import { formatRatio } from './format.ts';

/** A place of the slider. */
export interface ForgettingStop {
  readonly offset: number;
  readonly words: string;
  readonly measured: boolean;
}

/** Stops on both sides of its own offset for a model that was not measured, and how far apart. */
const UNMEASURED_STOPS = 4;
const UNMEASURED_STEP = 2;

/**
 * The stops from the one that keeps most to the one that forgets most; none for a model that was not taught to forget.
 * @param chosen an offset that must be among them, such as one that was kept from another visit
 */
export function forgettingStops({ facts, quality }: EngineInfo, chosen: number | null): readonly ForgettingStop[] {
  const { dms } = facts;
  if (!dms) return [];
  const own = dms.offset;
  const known = quality?.map(({ offset }) => offset) ?? around(own);
  const offsets = [...new Set([...known, own, ...(chosen === null ? [] : [chosen])])].sort((a, b) => b - a);
  return offsets.map((offset) => {
    const point = quality?.find((measured) => measured.offset === offset);
    const made = offset === own ? ', as the model was made' : '';
    if (!point) return { offset, measured: false, words: `offset ${offset}${made}: not measured` };
    const words = `${formatRatio(point.ratio)}× fewer tokens, perplexity ${signedPercent(point.perplexity)}${made}`;
    return { offset, measured: true, words };
  });
}

/** Parts of one as `+1.2%` or `−0.3%`. */
export function signedPercent(change: number): string {
  const percent = Math.abs(100 * change).toFixed(1);
  if (Number(percent) === 0) return '±0.0%';
  return `${change < 0 ? '−' : '+'}${percent}%`;
}

function around(own: number): number[] {
  const places = Array.from({ length: 2 * UNMEASURED_STOPS + 1 }, (_, i) => i - UNMEASURED_STOPS);
  return places.map((place) => roundTo2(own + place * UNMEASURED_STEP));
}

/** Offsets come in decimals: -2.8 + 2 shall be -0.8. */
function roundTo2(value: number): number {
  return Math.round(100 * value) / 100;
}
