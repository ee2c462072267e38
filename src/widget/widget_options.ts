/**
 * What a page tells the widget: attributes or properties, an object, JSON. The first of these that names an option
 * decides. Whatever does not fit is an error that says what was wrong and what to write instead.
 */
import type { PolicyKind } from '../cache/occupancy.ts';
import type { ServerOptions } from '../engine/api.ts';
import { DEFAULT_SETTINGS, fitsField, NUMBER_FIELDS, type NumberSetting, type Settings } from '../ui/settings.ts';
import { WIDGET_STRINGS, type WidgetStrings } from './widget_strings.ts';

/** The options in JSON, in the property `options`, and, where they are attributes, one by one. */
export interface WidgetOptions extends Partial<Record<NumberSetting, number>> {
  /**
   * Address of a model folder or of a GGUF file, relative to the page, or a repository of the Hugging Face hub as
   * `hf:owner/name`. With `baseURL` a name of the server's.
   */
  readonly model?: string;
  /** Address of an OpenAI-compatible server that the model runs at, in the place of this device. */
  readonly baseURL?: string;
  /** Sent to that server. Every reader of the page can read it too. */
  readonly apiKey?: string;
  /** What the model is told before the conversation. */
  readonly system?: string;
  readonly placeholder?: string;
  /** Open from the start. */
  readonly open?: boolean;
  /** What is kept in memory: what the model learned to keep, everything, or the start and the latest. */
  readonly policy?: PolicyKind;
  /** Most tokens of a chat. */
  readonly context?: number;
  readonly strings?: Partial<WidgetStrings>;
}

/** Options that fit, with defaults in place of those that were not given. */
export interface ReadOptions {
  /** Absolute address; empty when the model runs at a server. */
  readonly model: string;
  readonly server: ServerOptions | null;
  readonly context: number | null;
  readonly settings: Settings;
}

/** An option that cannot be used. */
export class WidgetOptionError extends Error {
  override readonly name = 'WidgetOptionError';

  /**
   * @param message what was wrong
   * @param remedy what to do about it
   */
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

const POLICIES: readonly PolicyKind[] = ['dms', 'dense', 'window'];
const TEXTS = ['model', 'system', 'placeholder', 'baseURL', 'apiKey'] as const;
const NAMES: readonly string[] = [
  ...TEXTS,
  'open',
  'policy',
  'context',
  'strings',
  ...NUMBER_FIELDS.map(({ name }) => name),
];

/** A value as it was written, for an error. */
function shown(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** The options in the text of a script of type `application/json`. @throws WidgetOptionError */
export function parseOptions(json: string): WidgetOptions {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new WidgetOptionError(`The options are not JSON: ${words}.`, 'Correct the script inside <lethe-chat>.');
  }
  return checkOptions(value);
}

/** Options of unknown origin, checked one by one. @throws WidgetOptionError */
export function checkOptions(value: unknown): WidgetOptions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WidgetOptionError(`The options are ${shown(value)}.`, 'Give an object, such as { "model": "/model/" }.');
  }
  for (const [name, option] of Object.entries(value)) {
    if (!NAMES.includes(name)) {
      throw new WidgetOptionError(`There is no option ${shown(name)}.`, `Options are ${NAMES.join(', ')}.`);
    }
    if (option !== undefined) checkOption(name, option);
  }
  return value as WidgetOptions;
}

function checkOption(name: string, value: unknown): void {
  const demand = (fits: boolean, wanted: string): void => {
    if (!fits) throw new WidgetOptionError(`The option ${name} is ${shown(value)}.`, `Give ${wanted}.`);
  };
  const field = NUMBER_FIELDS.find((field) => field.name === name);
  if (field) {
    const kind = field.step === 1 ? 'a whole number' : 'a number';
    demand(fitsField(field, value), `${kind} from ${field.min} to ${field.max}`);
  } else if (name === 'open') demand(typeof value === 'boolean', 'true or false');
  else if (name === 'policy') demand(POLICIES.includes(value as PolicyKind), `one of ${POLICIES.join(', ')}`);
  else if (name === 'context') demand(Number.isInteger(value) && Number(value) > 0, 'a whole number of tokens above 0');
  else if (name === 'strings') checkStrings(value);
  else demand(typeof value === 'string', 'a text');
}

function checkStrings(value: unknown): void {
  if (typeof value !== 'object' || value === null) {
    throw new WidgetOptionError(`The option strings is ${shown(value)}.`, 'Give an object of texts.');
  }
  for (const [name, text] of Object.entries(value)) {
    if (!(name in WIDGET_STRINGS)) {
      const names = Object.keys(WIDGET_STRINGS).join(', ');
      throw new WidgetOptionError(`There is no string ${shown(name)}.`, `Strings are ${names}.`);
    }
    if (name === 'faults') checkFaults(text);
    else if (typeof text !== 'string') {
      throw new WidgetOptionError(`The string ${name} is ${shown(text)}.`, 'Give a text.');
    }
  }
}

function checkFaults(value: unknown): void {
  const isText = (text: unknown): boolean => text === undefined || typeof text === 'string';
  const isCard = (card: unknown): boolean => {
    if (typeof card !== 'object' || card === null) return false;
    const { title, why, remedies = [] } = card as Readonly<Record<string, unknown>>;
    return isText(title) && isText(why) && Array.isArray(remedies) && remedies.every(isText);
  };
  if (typeof value === 'object' && value !== null && Object.values(value).every(isCard)) return;
  throw new WidgetOptionError(
    `The string faults is ${shown(value)}.`,
    'Give an object of cards, such as { "network": { "title": "…", "why": "…", "remedies": ["…"] } }.',
  );
}

/**
 * Options that an engine can be made of.
 * @param base what a relative address is relative to
 * @throws WidgetOptionError
 */
export function readOptions(options: WidgetOptions, base: string): ReadOptions {
  const { model, system, policy, context } = options;
  const server = readServer(options, base);
  const numbers = NUMBER_FIELDS.map(({ name }) => [name, options[name] ?? DEFAULT_SETTINGS[name]] as const);
  return {
    model: server ? '' : readModel(model, base),
    server,
    context: context ?? null,
    settings: {
      ...DEFAULT_SETTINGS,
      ...Object.fromEntries(numbers),
      systemPrompt: system ?? '',
      policy: policy ?? null,
    },
  };
}

function readModel(model: string | undefined, base: string): string {
  if (model === undefined || model.trim() === '') {
    throw new WidgetOptionError(
      'No model was named.',
      'Set the attribute model to the address of a model folder or of a GGUF file, or to hf:owner/name.',
    );
  }
  return readAddress('model', model, base);
}

function readServer({ baseURL, apiKey, model }: WidgetOptions, base: string): ServerOptions | null {
  if (baseURL === undefined) return null;
  return {
    baseURL: readAddress('baseURL', baseURL, base),
    ...(apiKey !== undefined && { apiKey }),
    ...(model !== undefined && { model }),
  };
}

function readAddress(name: string, value: string, base: string): string {
  if (URL.canParse(value, base)) return new URL(value, base).href;
  throw new WidgetOptionError(`The option ${name} is ${shown(value)}, no address.`, 'Give one, such as /models/mine/.');
}
