/**
 * The same prompt under two policies, one after the other on one engine, always with the likeliest token. It puts the
 * reader's conversation back into the cache afterwards, however it ended; it draws nothing.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ChatChunk, ChatMessage, Engine, Speed } from '../engine/api.ts';
import { isAbort } from './faults.ts';
import { formatCount, formatRate, formatTokens } from './format.ts';

/** Milliseconds between two drawings of a growing answer. */
const DRAW_INTERVAL_MS = 100;

export type SideState = 'waiting' | 'reading' | 'writing' | 'done' | 'stopped';

/** One of the two answers. */
export interface Side {
  readonly policy: CachePolicy;
  readonly state: SideState;
  readonly text: string;
  readonly tokens: number;
  readonly prefill: { readonly done: number; readonly total: number } | null;
  readonly occupancy: Occupancy | null;
  readonly speed: Speed | null;
}

export interface ComparisonTask {
  readonly messages: readonly ChatMessage[];
  readonly policies: readonly CachePolicy[];
  /** The policy to go back to. */
  readonly back: CachePolicy;
  readonly maxTokens: number;
}

export class Comparison {
  sides: readonly Side[] = [];
  /** Words of what went wrong. */
  fault: string | null = null;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #changed: () => void;

  /** @param changed called after every change, at most every 100 ms while an answer grows */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get running(): boolean {
    return this.#abort !== null;
  }

  /** Ends it within a step; what was written stays. */
  stop(): void {
    this.#abort?.abort();
  }

  /** Answers under each policy in turn and restores what the cache held. It never rejects. */
  async run(engine: Engine, { messages, policies, back, maxTokens }: ComparisonTask): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.fault = null;
    this.sides = policies.map(newSide);
    this.#changed();
    let saved: Uint8Array | null = null;
    try {
      saved = (await engine.occupancy()).tokensSeen > 0 ? await engine.snapshot() : null;
      for (const index of policies.keys()) {
        if (!abort.signal.aborted) await this.#answer(engine, { index, messages, maxTokens, signal: abort.signal });
      }
    } catch (error) {
      if (!isAbort(error)) this.fault = error instanceof Error ? error.message : String(error);
    }
    await this.#putBack(engine, back, saved);
    this.sides = this.sides.map((side) => (side.state === 'done' ? side : { ...side, state: 'stopped' }));
    this.#abort = null;
    this.#draw();
  }

  async #answer(
    engine: Engine,
    task: {
      readonly index: number;
      readonly messages: readonly ChatMessage[];
      readonly maxTokens: number;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { index, messages, maxTokens, signal } = task;
    this.#set(index, { state: 'reading' });
    await engine.setPolicy(this.sides[index].policy);
    const sampling = { temperature: 0, max_tokens: maxTokens };
    const request = { messages, stream: true, stream_options: { include_usage: true }, ...sampling } as const;
    for await (const chunk of await engine.chat.completions.create(request, { signal })) this.#take(index, chunk);
    this.#set(index, { state: signal.aborted ? 'stopped' : 'done' });
  }

  #take(index: number, { choices, lethe, usage }: ChatChunk): void {
    const side = this.sides[index];
    const words = choices[0]?.delta.content ?? '';
    const writing = words !== '' && !usage;
    this.#set(index, {
      ...(writing && { state: 'writing', text: side.text + words, tokens: side.tokens + 1 }),
      ...(lethe?.prefill && { prefill: lethe.prefill }),
      ...(lethe?.occupancy && { occupancy: lethe.occupancy }),
      ...(lethe?.speed && { speed: lethe.speed }),
      ...(usage && { tokens: usage.completion_tokens }),
    });
  }

  /** Where the memory cannot be put back, the next message reads the conversation anew. */
  async #putBack(engine: Engine, policy: CachePolicy, saved: Uint8Array | null): Promise<void> {
    try {
      await engine.setPolicy(policy);
      if (saved) await engine.restore(saved);
    } catch (error) {
      this.fault ??= error instanceof Error ? error.message : String(error);
    }
  }

  #set(index: number, change: Partial<Side>): void {
    this.sides = this.sides.map((side, at) => (at === index ? { ...side, ...change } : side));
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_INTERVAL_MS);
  }

  #draw(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#changed();
  }
}

function newSide(policy: CachePolicy): Side {
  return { policy, state: 'waiting', text: '', tokens: 0, prefill: null, occupancy: null, speed: null };
}

/** What a side is busy with, or what it cost. */
export function sideWords({ state, prefill, tokens, speed }: Side): string {
  if (state === 'waiting') return 'waiting…';
  if (state === 'reading') {
    return prefill ? `reading ${formatCount(prefill.done)} of ${formatTokens(prefill.total)}…` : 'reading…';
  }
  if (state === 'writing') return `writing, ${formatTokens(tokens)}…`;
  if (state === 'stopped' && tokens === 0) return 'not begun';
  const rate = speed && speed.decodeTokensPerSecond > 0 ? `, ${formatRate(speed.decodeTokensPerSecond)} tok/s` : '';
  return `${formatTokens(tokens)}${rate}${state === 'stopped' ? ', stopped' : ''}`;
}

/** What the two answers have in common, when both are there. */
export function likenessWords(one: string, other: string): string {
  const [first, second] = [wordsOf(one), wordsOf(other)];
  if (first.join(' ') === second.join(' ')) return 'Both answers are the same, word for word.';
  const differs = first.findIndex((word, index) => word !== second[index]);
  const same = differs === -1 ? first.length : differs;
  if (same === 0) return 'The answers differ from the first word.';
  return `The answers are the same for ${formatCount(same)} ${same === 1 ? 'word' : 'words'}, then differ.`;
}

function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/u).filter((word) => word !== '');
}
