/**
 * What a person set: system prompt, sampling, memory policy. Kept in the browser's local storage under one key; what is
 * found there is checked field by field, since another version of the page may have written it.
 */
import type { PolicyKind } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ChatRequest } from '../engine/api.ts';

/** Null means the engine's default. */
export interface Settings {
  readonly systemPrompt: string;
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly topK: number | null;
  readonly minP: number | null;
  readonly repetitionPenalty: number | null;
  readonly maxTokens: number | null;
  readonly seed: number | null;
  /** Null: what the model was made for. */
  readonly policy: PolicyKind | null;
  /** The eviction offset that was chosen for a model, by its address; a model that is not here has its own. */
  readonly offsets: Readonly<Record<string, number>>;
}

/** The names of the settings that are numbers. */
export type NumberSetting = 'temperature' | 'topP' | 'topK' | 'minP' | 'repetitionPenalty' | 'maxTokens' | 'seed';

export interface NumberField {
  readonly name: NumberSetting;
  readonly label: string;
  /** One line in plain words. */
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/** The numbers that the dialog offers, with their ranges; both the dialog and the check of stored values use them. */
export const NUMBER_FIELDS: readonly NumberField[] = [
  { name: 'temperature', label: 'Temperature', hint: '0 always takes the likeliest word', min: 0, max: 2, step: 0.05 },
  { name: 'topP', label: 'Top p', hint: 'only the likeliest words up to this sum', min: 0.01, max: 1, step: 0.01 },
  { name: 'topK', label: 'Top k', hint: 'only this many words; 0 is off', min: 0, max: 1000, step: 1 },
  { name: 'minP', label: 'Min p', hint: 'none below this part of the likeliest; 0 is off', min: 0, max: 1, step: 0.01 },
  { name: 'repetitionPenalty', label: 'Repetition penalty', hint: '1 is off', min: 0.5, max: 2, step: 0.05 },
  { name: 'maxTokens', label: 'Longest answer', hint: 'in tokens', min: 1, max: 100_000, step: 1 },
  { name: 'seed', label: 'Seed', hint: 'the same seed gives the same answer', min: 0, max: 4_294_967_295, step: 1 },
];

export const DEFAULT_SETTINGS: Settings = {
  systemPrompt: '',
  temperature: null,
  topP: null,
  topK: null,
  minP: null,
  repetitionPenalty: null,
  maxTokens: null,
  seed: null,
  policy: null,
  offsets: {},
};

/** Sinks and window of the policy for comparison: it needs numbers, and no model says which. */
export const WINDOW_SINKS = 4;
export const WINDOW_TOKENS = 128;

const STORAGE_KEY = 'lethe.settings';
const POLICIES: readonly PolicyKind[] = ['dms', 'dense', 'window'];

/** True when `value` fits the field; whole-numbered fields refuse fractions. */
export function fitsField(field: NumberField, value: unknown): value is number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  return value >= field.min && value <= field.max && (field.step !== 1 || Number.isInteger(value));
}

/** Settings from stored text: every field that does not fit is the default. */
export function parseSettings(text: string | null): Settings {
  let stored: unknown = null;
  try {
    stored = JSON.parse(text ?? 'null');
  } catch {
    return DEFAULT_SETTINGS;
  }
  if (typeof stored !== 'object' || stored === null) return DEFAULT_SETTINGS;
  const fields = stored as Readonly<Record<string, unknown>>;
  const numbers: Partial<Record<NumberSetting, number | null>> = {};
  for (const field of NUMBER_FIELDS) {
    const value = fields[field.name];
    numbers[field.name] = fitsField(field, value) ? value : null;
  }
  return {
    ...DEFAULT_SETTINGS,
    ...numbers,
    systemPrompt: typeof fields.systemPrompt === 'string' ? fields.systemPrompt : '',
    policy: POLICIES.find((kind) => kind === fields.policy) ?? null,
    offsets: parseOffsets(fields.offsets),
  };
}

function parseOffsets(stored: unknown): Readonly<Record<string, number>> {
  if (typeof stored !== 'object' || stored === null) return {};
  return Object.fromEntries(Object.entries(stored).filter(([, offset]) => Number.isFinite(offset)));
}

/** The stored settings; the defaults where storage is refused (a private window, a sandboxed frame). */
export function loadSettings(): Settings {
  try {
    return parseSettings(localStorage.getItem(STORAGE_KEY));
  } catch {
    return DEFAULT_SETTINGS;
  }
}

/** Keeps the settings for the next visit; without storage they last as long as the page. */
export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(settings));
  } catch {
    // Storage is refused or full: nothing that a reader must act on.
  }
}

/** The sampling fields of a request; a setting at its default is left out, so that the engine decides. */
export function samplingFields(settings: Settings): Partial<Omit<ChatRequest, 'stream' | 'messages'>> {
  return {
    ...(settings.temperature !== null && { temperature: settings.temperature }),
    ...(settings.topP !== null && { top_p: settings.topP }),
    ...(settings.topK !== null && { top_k: settings.topK }),
    ...(settings.minP !== null && { min_p: settings.minP }),
    ...(settings.repetitionPenalty !== null && { repetition_penalty: settings.repetitionPenalty }),
    ...(settings.maxTokens !== null && { max_tokens: settings.maxTokens }),
    ...(settings.seed !== null && { seed: settings.seed }),
  };
}

/** The policy of a kind, with the numbers that the page gives it. @param offset of `dms`; default the model's own */
export function cachePolicy(kind: PolicyKind, offset?: number): CachePolicy {
  if (kind === 'window') return { kind, window: WINDOW_TOKENS, sinks: WINDOW_SINKS };
  return kind === 'dms' && offset !== undefined ? { kind, offset } : { kind };
}
