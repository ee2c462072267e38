/**
 * What a retrofitted checkpoint says about its eviction: read from `config.json` (NVIDIA's keys) or from a sidecar's
 * metadata. arXiv 2506.05345; the two variants are those of NVIDIA's released checkpoint and of its training recipe.
 */
import { UnsupportedModelError } from './errors.ts';

export interface DmsConfig {
  /** `borrow`: the bit is read from a query channel. `adapter`: from a small projection of the residual stream. */
  readonly variant: 'borrow' | 'adapter';
  /** w: a flagged token is seen by itself and the next w queries. */
  readonly window: number;
  readonly scale: number;
  readonly offset: number;
  /** 1: the bit of token t + 1 decides over token t. 0: a token's bit decides over itself. */
  readonly shift: 0 | 1;
  /** False: the bit of KV head 0 holds for all heads of the layer. */
  readonly perHead: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

function positive(value: unknown, name: string): number {
  const number = Number(value);
  if (value === undefined || value === '' || !Number.isFinite(number)) {
    throw new UnsupportedModelError(`The checkpoint's eviction settings have no number for ${name}.`);
  }
  return number;
}

function windowOf(value: unknown, name: string): number {
  const window = positive(value, name);
  if (!Number.isInteger(window) || window < 1) {
    throw new UnsupportedModelError(`The eviction window must be a whole number of at least 1, not ${window}.`);
  }
  return window;
}

function shiftOf(value: unknown): 0 | 1 {
  const shift = Number(value ?? 1);
  if (shift !== 0 && shift !== 1) throw new UnsupportedModelError(`The eviction shift must be 0 or 1, not ${shift}.`);
  return shift;
}

/** From `config.json`; null when the model was not retrofitted. @throws UnsupportedModelError */
export function dmsFromJson(json: Fields): DmsConfig | null {
  if (json.dms_window_size === undefined) return null;
  return {
    variant: json.dms_separate_alpha === true ? 'adapter' : 'borrow',
    window: windowOf(json.dms_window_size, 'dms_window_size'),
    scale: positive(json.dms_alpha_scale, 'dms_alpha_scale'),
    offset: positive(json.dms_initial_alpha_offset, 'dms_initial_alpha_offset'),
    shift: shiftOf(json.dms_shift),
    perHead: (json.dms_alpha_per ?? 'head') === 'head',
  };
}

/** From a sidecar's metadata. @throws UnsupportedModelError */
export function dmsFromSidecar(metadata: Fields): DmsConfig {
  const variant = metadata.variant;
  if (variant !== 'adapter' && variant !== 'borrow') {
    throw new UnsupportedModelError(
      `The sidecar's variant ${String(variant)} is unknown; adapter and borrow are known.`,
    );
  }
  return {
    variant,
    window: windowOf(metadata.window, 'window'),
    scale: positive(metadata.scale, 'scale'),
    offset: positive(metadata.offset, 'offset'),
    shift: shiftOf(metadata.shift),
    perHead: (metadata.alpha_per ?? 'head') === 'head',
  };
}
