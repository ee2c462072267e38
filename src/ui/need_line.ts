/** What a model needs against what there is, as one line that a person reads before a download. Pure text. */
import { type Fit, fitOf, type ModelNeed, modelNeed, type Room, TOLD_CONTEXT } from '../engine/model_need.ts';
import { formatBytes, formatTokens } from './format.ts';
import { RECOMMENDED, type RecommendedModel } from './recommended.ts';

export interface NeedLine {
  readonly fits: boolean;
  readonly line: string;
  /** A model to take instead; null when this one fits, or when none of those known does. */
  readonly smaller: RecommendedModel | null;
}

function refusal(fit: Fit & { readonly fits: false }): string {
  const [need, have] = [formatBytes(fit.needBytes), formatBytes(fit.haveBytes)];
  return fit.lacks === 'buffer'
    ? `Too large for this adapter: one part needs a buffer of ${need}, and it allows ${have}.`
    : `No room on this disk: ${need} to download, and the browser gives this site ${have} more.`;
}

function facts(need: ModelNeed | null, downloadBytes: number | null, room: Room): string {
  const parts = need
    ? [
        `about ${formatBytes(need.totalBytes)} of graphics memory, of which ${formatBytes(need.memoryBytes)} to ` +
          `remember ${formatTokens(need.context)}`,
      ]
    : [];
  if (downloadBytes !== null) {
    const free = room.freeDiskBytes === null ? '' : ` of ${formatBytes(room.freeDiskBytes)} free`;
    parts.push(`${formatBytes(downloadBytes)} on disk${free}`);
  }
  return parts.length === 0 ? 'What it needs is not told by the server.' : `Needs ${parts.join('; ')}.`;
}

/**
 * @param need null where the model's configuration is not known
 * @param downloadBytes null where the server does not say
 */
export function needLine(need: ModelNeed | null, downloadBytes: number | null, room: Room): NeedLine {
  const fit = fitOf(need, downloadBytes, room);
  if (fit.fits) return { fits: true, line: facts(need, downloadBytes, room), smaller: null };
  return { fits: false, line: refusal(fit), smaller: smallerModel({ need, downloadBytes, room }) };
}

/** What a proposed model needs for a conversation of `TOLD_CONTEXT` tokens. */
export function recommendedNeed({ sizes, elementBytes }: RecommendedModel): ModelNeed {
  return modelNeed(sizes, { context: TOLD_CONTEXT, ...(elementBytes === undefined ? {} : { elementBytes }) });
}

/** The largest proposed model that fits and is smaller than the one given; null when none is. */
export function smallerModel(than: {
  readonly need: ModelNeed | null;
  readonly downloadBytes: number | null;
  readonly room: Room;
}): RecommendedModel | null {
  const { need, downloadBytes, room } = than;
  const fitting = RECOMMENDED.filter((model) => {
    const own = recommendedNeed(model);
    const smaller = need ? own.totalBytes < need.totalBytes : downloadBytes === null || model.bytes < downloadBytes;
    return smaller && fitOf(own, model.bytes, room).fits;
  });
  return fitting.reduce<RecommendedModel | null>(
    (best, model) => (best === null || model.parameters > best.parameters ? model : best),
    null,
  );
}
