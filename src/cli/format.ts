/** How the command line writes figures and progress. */
import type { LoadProgress, Speed, Usage } from '../engine/api.ts';

const UNITS = ['B', 'kB', 'MB', 'GB'];

/** Bytes in decimal units: `2.1 MB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

/** Tokens per second with as many digits as mean something. */
export function formatRate(tokensPerSecond: number): string {
  return `${tokensPerSecond >= 100 ? Math.round(tokensPerSecond) : tokensPerSecond.toFixed(1)} tok/s`;
}

/** The quiet line under an answer. */
export function formatAnswerLine(usage: Usage, speed: Speed): string {
  const { kv, completion_tokens: tokens } = usage;
  const memory = kv && `memory ${formatBytes(kv.bytes)} (dense ${formatBytes(kv.dense_bytes)})`;
  return [`${tokens} tokens`, formatRate(speed.decodeTokensPerSecond), ...(memory ? [memory] : [])].join(', ');
}

const STAGES: Readonly<Record<LoadProgress['stage'], string>> = {
  download: 'reading',
  upload: 'uploading',
  compile: 'compiling',
  ready: 'ready',
};

/** Where loading stands, in one line. */
export function formatProgress({ stage, done, total }: LoadProgress): string {
  if (stage === 'ready') return STAGES.ready;
  if (stage === 'compile') return `${STAGES.compile} ${done} of ${total} kernels`;
  return `${STAGES[stage]} ${formatBytes(done)} of ${formatBytes(total)}`;
}

/** Rewrites one line of the terminal; writes nothing where there is no terminal. */
export class StatusLine {
  #shown = '';

  /** For `onBytes` of a model that is opened. */
  readonly onBytes = (done: number, total: number): void => {
    this.show(formatProgress({ stage: 'download', done, total }));
  };

  show(text: string): void {
    if (!process.stderr.isTTY || text === this.#shown) return;
    process.stderr.write(`\r\x1b[K${text}`);
    this.#shown = text;
  }

  clear(): void {
    if (this.#shown !== '') process.stderr.write('\r\x1b[K');
    this.#shown = '';
  }
}
