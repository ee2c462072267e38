/**
 * The panel's one figure, from an occupancy: how many times less memory the chat takes than a dense f16 cache would.
 * It says nothing about an empty cache, where the question has no answer.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import { formatBytes, formatRatio } from './format.ts';

export interface MemoryFigure {
  /** Dense bytes over bytes held; null while nothing is held. */
  readonly factor: number | null;
  /** `5.1× smaller`, `1.9× larger`, or a dash. */
  readonly headline: string;
  readonly held: string;
  readonly dense: string;
  /** What the buffers take in all, with the room that is not filled yet. */
  readonly buffers: string;
}

/** The figure of an occupancy; of an empty cache when it is null. */
export function memoryFigure(occupancy: Occupancy | null): MemoryFigure {
  const held = occupancy?.liveBytes ?? 0;
  const dense = occupancy?.denseBytes ?? 0;
  const factor = held > 0 && dense > 0 ? dense / held : null;
  return {
    factor,
    headline: factor === null ? '–' : headline(factor),
    held: formatBytes(held),
    dense: formatBytes(dense),
    buffers: formatBytes(occupancy?.allocatedBytes ?? 0),
  };
}

function headline(factor: number): string {
  return factor >= 0.95 ? `${formatRatio(factor)}× smaller` : `${formatRatio(1 / factor)}× larger`;
}
