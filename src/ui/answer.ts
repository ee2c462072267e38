/** An answer while it grows: what was gathered so far, and the turn that shows it. It asks nothing of the engine. */
import type { Occupancy } from '../cache/occupancy.ts';
import type { Speed, Usage } from '../engine/api.ts';
import { type Activity, type AnswerTurn, answerNote, memorySample, readingNote, type Thought } from './chat_state.ts';
import { formatCount } from './format.ts';
import { fillIn, tokenWords, words } from './words.ts';

/** What one answer has gathered so far. */
export interface Answer {
  readonly id: number;
  readonly abort: AbortController;
  text: string;
  thought: string;
  /** When the thought began and ended, by `performance.now()`; 0 where it did not. */
  thoughtFrom: number;
  thoughtTo: number;
  tokens: number;
  activity: Activity;
  prefill: { readonly done: number; readonly total: number } | null;
  /** Tokens of the prompt, and those of them that were not read again. */
  usage: Usage | null;
  end: 'done' | 'stopped' | 'length' | 'failed';
}

/** The turn of an answer as it stands; speed and memory go under one that is whole. */
export function answerTurn(answer: Answer, speed: Speed | null, occupancy: Occupancy | null): AnswerTurn {
  const { id, text, activity, usage } = answer;
  const thought = thoughtOf(answer);
  const memory = activity === 'idle' ? memorySample(occupancy) : null;
  return {
    id,
    role: 'assistant',
    text,
    ...(thought ? { thought } : {}),
    activity,
    note: activity === 'idle' ? answerNote(answer.tokens, speed, occupancy, answer.end) : progressNote(answer),
    ...(memory ? { memory } : {}),
    ...(usage ? { detail: readingNote(usage) } : {}),
  };
}

function progressNote({ activity, prefill, text, thought, tokens }: Answer): string {
  const { readingNow, readingPart, stoppingNow, thinkingNow, writingNow } = words();
  if (activity === 'stopping') return stoppingNow;
  const thinking = thought !== '' && text === '';
  if (activity === 'writing') return fillIn(thinking ? thinkingNow : writingNow, { tokens: tokenWords(tokens) });
  if (!prefill) return readingNow;
  return fillIn(readingPart, { done: formatCount(prefill.done), total: tokenWords(prefill.total) });
}

function thoughtOf({ thought, thoughtFrom, thoughtTo, activity }: Answer): Thought | null {
  if (thought === '') return null;
  if (activity !== 'idle' && thoughtTo === 0) return { text: thought, seconds: null };
  return { text: thought, seconds: Math.round(((thoughtTo || performance.now()) - thoughtFrom) / 1000) };
}
