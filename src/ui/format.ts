/** Figures as people read them: bytes, counts, speeds, times. Pure text; it refuses to know what the figures mean. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in decimal units, such as `2.1 MB`; three digits at most, so that a changing figure keeps its width. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** A whole number with thin grouping, such as `1,500`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en');
}

/** A noun in the number that `count` asks for: `1 token`, `2 tokens`. */
export function formatTokens(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'token' : 'tokens'}`;
}

/** Tokens or bytes per second without its unit; below 10 with one decimal, a dash when unknown. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null || !Number.isFinite(perSecond) || perSecond <= 0) return '–';
  return perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(perSecond);
}

/** Milliseconds as `85 ms`, `1.4 s` or `2 min 5 s`. */
export function formatTime(ms: number): string {
  if (ms < 995) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A ratio such as `5.1`, with no decimals from 100. */
export function formatRatio(ratio: number): string {
  return ratio.toFixed(ratio >= 99.95 ? 0 : 1);
}
