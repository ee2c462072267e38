/**
 * The conversation and the one answer that may be under way. It talks to the engine and tells its listeners at most ten
 * times a second; it draws nothing. A request that fails before its first word leaves the conversation as it was.
 */
import type { Occupancy, PolicyKind } from '../cache/occupancy.ts';
import type { ChatChunk, ChatRequest, Engine, Speed } from '../engine/api.ts';
import { assert } from '../util/assert.ts';
import { type Activity, type AnswerTurn, answerNote, lastUserTurn, messagesOf, type Turn } from './chat_state.ts';
import { type Fault, faultOf, isAbort } from './faults.ts';
import { formatCount, formatTokens } from './format.ts';
import { cachePolicy, type Settings, samplingFields } from './settings.ts';

/** Milliseconds between two drawings of a growing answer. */
const DRAW_INTERVAL_MS = 100;

/** What one answer has gathered so far. */
interface Answer {
  readonly id: number;
  readonly abort: AbortController;
  text: string;
  tokens: number;
  activity: Activity;
  prefill: { readonly done: number; readonly total: number } | null;
  end: 'done' | 'stopped' | 'length' | 'failed';
}

export class Chat {
  turns: readonly Turn[] = [];
  occupancy: Occupancy | null = null;
  speed: Speed | null = null;
  /** The card under the conversation. */
  fault: Fault | null = null;
  /** A policy that the next message brings; null when nothing waits. */
  pendingPolicy: PolicyKind | null = null;
  /** Text that a failed request gives back to the field; the view takes it. */
  returnedText: string | null = null;

  #engine: Engine | null = null;
  #answer: Answer | null = null;
  #nextId = 1;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Raised by whatever makes the answers of a request stale: a new chat, a new engine. */
  #epoch = 0;
  readonly #changed: () => void;

  /** @param changed called after every change, at most every 100 ms while an answer grows */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get activity(): Activity {
    return this.#answer?.activity ?? 'idle';
  }

  get ready(): boolean {
    return this.#engine !== null && this.#answer === null;
  }

  /** Gives the chat an engine, or takes it away; the turns stay. */
  async setEngine(engine: Engine | null): Promise<void> {
    this.#epoch++;
    this.#answer?.abort.abort();
    this.#closeAnswer();
    this.#engine = engine;
    this.pendingPolicy = null;
    this.fault = null;
    this.#changed();
    if (engine) await this.#refreshOccupancy();
  }

  /** Asks for a policy from the next message on. `current` is the one in force. */
  choosePolicy(kind: PolicyKind, current: PolicyKind): void {
    this.pendingPolicy = kind === current ? null : kind;
    this.#changed();
  }

  /**
   * Sends a message and follows the answer until it ends. With `replaceLast` the last question and its answer give way.
   * It never rejects: what goes wrong becomes `fault`.
   */
  async send(text: string, settings: Settings, replaceLast = false): Promise<void> {
    const engine = this.#engine;
    assert(engine && !this.#answer, 'a message is sent to a ready engine, one at a time');
    const before = this.turns;
    const last = lastUserTurn(before);
    const kept = replaceLast && last ? before.slice(0, before.indexOf(last)) : before;
    const answer = this.#openAnswer(kept, text);
    const epoch = this.#epoch;
    try {
      await this.#applyPolicy(engine);
      const request: ChatRequest & { stream: true } = {
        messages: messagesOf(this.turns, settings.systemPrompt),
        stream: true,
        stream_options: { include_usage: true },
        ...samplingFields(settings),
      };
      const chunks = await engine.chat.completions.create(request, { signal: answer.abort.signal });
      for await (const chunk of chunks) {
        if (epoch !== this.#epoch) return;
        this.#take(answer, chunk);
      }
    } catch (error) {
      if (epoch !== this.#epoch) return;
      this.#fail(answer, error, { before, text });
    }
    if (epoch !== this.#epoch) return;
    this.#finish(answer);
  }

  /** Takes the card away. */
  dismissFault(): void {
    this.fault = null;
    this.#changed();
  }

  /** Ends the answer within a step; the words so far stay. */
  stop(): void {
    if (!this.#answer || this.#answer.activity === 'stopping') return;
    this.#answer.activity = 'stopping';
    this.#answer.end = 'stopped';
    this.#answer.abort.abort();
    this.#draw();
  }

  /** Forgets the conversation, here and in the engine's cache. */
  async newChat(): Promise<void> {
    this.#epoch++;
    this.#answer?.abort.abort();
    this.#answer = null;
    this.turns = [];
    this.speed = null;
    this.fault = null;
    this.#changed();
    await this.#engine?.reset();
    await this.#refreshOccupancy();
  }

  #openAnswer(kept: readonly Turn[], text: string): Answer {
    const answer: Answer = {
      id: this.#nextId + 1,
      abort: new AbortController(),
      text: '',
      tokens: 0,
      activity: 'reading',
      prefill: null,
      end: 'done',
    };
    this.turns = [...kept, { id: this.#nextId, role: 'user', text }, this.#turnOf(answer)];
    this.#nextId += 2;
    this.#answer = answer;
    this.fault = null;
    this.#changed();
    return answer;
  }

  async #applyPolicy(engine: Engine): Promise<void> {
    if (this.pendingPolicy === null) return;
    const kind = this.pendingPolicy;
    await engine.setPolicy(cachePolicy(kind));
    if (this.pendingPolicy === kind) this.pendingPolicy = null;
  }

  #take(answer: Answer, chunk: ChatChunk): void {
    const { lethe, usage } = chunk;
    if (lethe?.occupancy) this.occupancy = lethe.occupancy;
    if (lethe?.speed) this.speed = lethe.speed;
    if (lethe?.prefill) {
      answer.prefill = lethe.prefill;
      void this.#refreshOccupancy(answer);
    }
    if (lethe?.aborted) answer.end = 'stopped';
    if (usage) answer.tokens = usage.completion_tokens;
    const choice = chunk.choices[0];
    if (choice?.delta.content) {
      answer.text += choice.delta.content;
      if (!usage) answer.tokens++;
      if (answer.activity === 'reading') answer.activity = 'writing';
    }
    if (choice?.finish_reason === 'length' && answer.end === 'done') answer.end = 'length';
    this.#drawSoon();
  }

  #fail(answer: Answer, error: unknown, sent: { before: readonly Turn[]; text: string }): void {
    if (isAbort(error)) {
      answer.end = 'stopped';
      return;
    }
    answer.end = 'failed';
    this.fault = faultOf(error);
    // Asked again it would fail again.
    if (this.fault.kind === 'policy') this.pendingPolicy = null;
    if (answer.text === '') {
      this.turns = sent.before;
      this.returnedText = sent.text;
    }
  }

  #finish(answer: Answer): void {
    answer.activity = 'idle';
    this.#draw();
    this.#answer = null;
    this.#changed();
  }

  /** Puts the answer under way into the turns as it is and lets go of it. */
  #closeAnswer(): void {
    if (!this.#answer) return;
    this.#answer.end = 'failed';
    this.#answer.activity = 'idle';
    this.#draw();
    this.#answer = null;
  }

  /** Asks what the cache holds. `during` is the answer under way, whose own figures go before once it writes. */
  async #refreshOccupancy(during: Answer | null = null): Promise<void> {
    const engine = this.#engine;
    if (!engine) return;
    const epoch = this.#epoch;
    // A device that is lost has nothing to tell, and says so by itself.
    const occupancy = await engine.occupancy().catch(() => null);
    if (!occupancy || epoch !== this.#epoch || this.#answer !== during || during?.activity === 'writing') return;
    this.occupancy = occupancy;
    this.#drawSoon();
  }

  #drawSoon(): void {
    this.#timer ??= setTimeout(() => this.#draw(), DRAW_INTERVAL_MS);
  }

  #draw(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const answer = this.#answer;
    if (answer) this.turns = this.turns.map((turn) => (turn.id === answer.id ? this.#turnOf(answer) : turn));
    this.#changed();
  }

  #turnOf(answer: Answer): AnswerTurn {
    const { id, text, activity } = answer;
    return { id, role: 'assistant', text, activity, note: this.#noteOf(answer) };
  }

  #noteOf({ activity, prefill, tokens, end }: Answer): string {
    if (activity === 'reading') {
      if (!prefill) return 'reading…';
      return `reading ${formatCount(prefill.done)} of ${formatTokens(prefill.total)}…`;
    }
    if (activity === 'stopping') return 'stopping…';
    if (activity === 'writing') return `writing, ${formatTokens(tokens)}…`;
    return answerNote(tokens, this.speed, this.occupancy, end);
  }
}
