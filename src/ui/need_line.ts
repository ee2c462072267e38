/** What a model needs against what there is, and the one line of it that a person reads before a download. */
import { type Fit, fitOf, type ModelNeed, modelNeed, type Room, TOLD_CONTEXT } from '../engine/model_need.ts';
import { formatBytes, formatRatio } from './format.ts';
import { RECOMMENDED, type RecommendedModel } from './recommended.ts';
import { fillIn, tokenWords, words } from './words.ts';

/** What a model needs, judged by what there is. */
export interface JudgedNeed {
  readonly fit: Fit;
  /** Null where the model's configuration is not known. */
  readonly need: ModelNeed | null;
  /** Null where the server does not say. */
  readonly downloadBytes: number | null;
  /** Null where the browser does not say. */
  readonly freeDiskBytes: number | null;
  /** A model to take instead; null when this one fits, or when none of those known does. */
  readonly smaller: RecommendedModel | null;
}

/**
 * @param need null where the model's configuration is not known
 * @param downloadBytes null where the server does not say
 */
export function judgeNeed(need: ModelNeed | null, downloadBytes: number | null, room: Room): JudgedNeed {
  const fit = fitOf(need, downloadBytes, room);
  const smaller = fit.fits ? null : smallerModel({ need, downloadBytes, room });
  return { fit, need, downloadBytes, freeDiskBytes: room.freeDiskBytes, smaller };
}

function refusal(fit: Fit & { readonly fits: false }): string {
  const { lacksBuffer, lacksDisk } = words();
  const text = fit.lacks === 'buffer' ? lacksBuffer : lacksDisk;
  return fillIn(text, { need: formatBytes(fit.needBytes), have: formatBytes(fit.haveBytes) });
}

/** What is needed, or what is lacking, in the words of the template that is being made. */
export function needLine({ fit, need, downloadBytes, freeDiskBytes }: JudgedNeed): string {
  if (!fit.fits) return refusal(fit);
  const { needs, needsMemory, needsMemoryLess, needsDisk, needsDiskOf, needsUntold } = words();
  const parts: string[] = [];
  if (need) {
    const [bytes, memory] = [formatBytes(need.totalBytes), formatBytes(need.memoryBytes)];
    const [tokens, ratio] = [tokenWords(need.context), formatRatio(need.ratio)];
    parts.push(fillIn(ratio === '1.0' ? needsMemory : needsMemoryLess, { bytes, memory, tokens, ratio }));
  }
  if (downloadBytes !== null) {
    const bytes = formatBytes(downloadBytes);
    const told = freeDiskBytes === null ? needsDisk : needsDiskOf;
    parts.push(fillIn(told, { bytes, free: formatBytes(freeDiskBytes ?? 0) }));
  }
  return parts.length === 0 ? needsUntold : fillIn(needs, { needs: parts.join('; ') });
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
