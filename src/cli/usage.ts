/** Errors of the command line, and the values of its options. */
import type { CachePolicy } from '../cache/policy.ts';

/** The command was called wrongly; the message says how to call it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `value` as a number in a range; null when it is absent. @throws UsageError that names the option */
export function numberOption(
  name: string,
  value: string | undefined,
  range: { readonly from: number; readonly to?: number; readonly whole?: boolean },
): number | null {
  if (value === undefined) return null;
  const { from, to = Number.MAX_SAFE_INTEGER, whole = false } = range;
  const parsed = value.trim() === '' ? Number.NaN : Number(value);
  if (parsed >= from && parsed <= to && (!whole || Number.isInteger(parsed))) return parsed;
  const bounds = to === Number.MAX_SAFE_INTEGER ? `from ${from}` : `from ${from} to ${to}`;
  throw new UsageError(`--${name} takes a ${whole ? 'whole ' : ''}number ${bounds}, not ${value}.`);
}

/** Recent tokens and first tokens that `--policy window` keeps. */
const WINDOW = { window: 512, sinks: 4 };

/** The cache policy by its name; null when it is absent. @throws UsageError */
export function policyOption(value: string | undefined): CachePolicy | null {
  if (value === undefined) return null;
  if (value === 'dms' || value === 'dense') return { kind: value };
  if (value === 'window') return { kind: value, ...WINDOW };
  throw new UsageError(`--policy takes dms, dense or window, not ${value}.`);
}

/** True for an error of `node:util`'s parseArgs. */
export function isParseError(cause: unknown): cause is Error {
  return cause instanceof Error && 'code' in cause && String(cause.code).startsWith('ERR_PARSE_ARGS');
}
