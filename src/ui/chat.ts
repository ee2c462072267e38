/**
 * The conversation and the one answer that may be under way. It talks to the engine and tells its listeners at most ten
 * times a second; it draws nothing. A request that fails before its first word leaves the conversation as it was.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ChatChunk, ChatMessage, ChatRequest, Engine, Snapshots, Speed } from '../engine/api.ts';
import { assert } from '../util/assert.ts';
import { type Answer, answerTurn } from './answer.ts';
import { type Activity, type AnswerTurn, messagesOf, type Turn } from './chat_state.ts';
import { type Fault, faultOf, isAbort } from './faults.ts';
import { fullPolicy, samePolicy } from './policies.ts';
import { type Settings, samplingFields } from './settings.ts';
import {
  EMPTY_TREE,
  grown,
  moved,
  type Place,
  parentOf,
  pathOf,
  placeOf,
  replaced,
  type TurnTree,
} from './turn_tree.ts';
import { WORDS, type Words, withWords } from './words.ts';

/** Milliseconds between two drawings of a growing answer. */
const DRAW_INTERVAL_MS = 100;

type Delta = ChatChunk['choices'][number]['delta'];

/** Tokens of a conversation, and the most that it may have. */
export interface Measure {
  readonly tokens: number;
  readonly context: number;
}

export class Chat {
  occupancy: Occupancy | null = null;
  speed: Speed | null = null;
  /** The card under the conversation. */
  fault: Fault | null = null;
  /** The policy in force, with all its numbers; null without an engine. */
  policy: CachePolicy | null = null;
  /** A policy that the next message brings; null when nothing waits. */
  pendingPolicy: CachePolicy | null = null;
  /** Text that a failed request gives back to the field; the view takes it. */
  returnedText: string | null = null;
  /** Puts what an engine saved of this conversation back into its cache, where something was saved. */
  recall: (engine: Engine) => Promise<unknown> = async () => {};
  /** The engine is being given this conversation: nothing can be asked. */
  opening = false;
  /** Those of the quiet lines. */
  words: Words = WORDS;

  #engine: Engine | null = null;
  #answer: Answer | null = null;
  /** While somebody else works with the engine. */
  #lent = false;
  #tree: TurnTree = EMPTY_TREE;
  #path: readonly Turn[] = [];
  #lastId = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Raised by whatever makes the answers of a request stale: a new chat, a new engine. */
  #epoch = 0;
  readonly #changed: () => void;

  /** @param changed called after every change, at most every 100 ms while an answer grows */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The line of the conversation that is shown. */
  get turns(): readonly Turn[] {
    return this.#path;
  }

  /** The whole conversation, with all that was said in place of something else. */
  get tree(): TurnTree {
    return this.#tree;
  }

  get activity(): Activity {
    return this.#answer?.activity ?? (this.#lent ? 'reading' : 'idle');
  }

  get ready(): boolean {
    return this.#engine !== null && this.#answer === null && !this.opening && !this.#lent;
  }

  /** Where the engine saves its memory of chats; null while there is no engine. */
  get memories(): Snapshots | null {
    return this.#engine?.snapshots ?? null;
  }

  /**
   * Gives the chat an engine, or takes it away; the turns stay.
   * @param policy what the engine was loaded with; null for the model's own choice
   */
  async setEngine(engine: Engine | null, policy: CachePolicy | null = null): Promise<void> {
    this.#epoch++;
    this.#answer?.abort.abort();
    this.#closeAnswer('failed');
    this.#engine = engine;
    this.policy = engine && fullPolicy(policy, engine.info.facts);
    this.pendingPolicy = null;
    this.fault = null;
    await this.#prepare(false);
  }

  /** Asks for a policy from the next message on. */
  choosePolicy(policy: CachePolicy): void {
    if (!this.#engine || !this.policy) return;
    const chosen = fullPolicy(policy, this.#engine.info.facts);
    this.pendingPolicy = samePolicy(chosen, this.policy) ? null : chosen;
    this.#changed();
  }

  /**
   * Sends a message and follows the answer until it ends. A message that was edited becomes a sibling of the message
   * `edited`, an id, which stays. It never rejects: what goes wrong becomes `fault`.
   */
  async send(text: string, settings: Settings, edited: number | null = null): Promise<void> {
    const parent = edited === null ? this.#tree.leaf : parentOf(this.#tree, edited);
    await this.#follow({ id: this.#newId(), role: 'user', text }, parent, settings);
  }

  /** Asks again for the answer of that id; the other becomes its sibling. It never rejects. */
  async regenerate(id: number, settings: Settings): Promise<void> {
    await this.#follow(null, parentOf(this.#tree, id), settings);
  }

  /** Shows the sibling before or behind a turn, and what follows it; nothing while an answer is under way. */
  choose(id: number, step: 1 | -1): void {
    if (this.#answer) return;
    this.#grow(moved(this.#tree, id, step));
    this.#changed();
  }

  placeOf(id: number): Place {
    return placeOf(this.#tree, id);
  }

  /** Gives the engine away for some work, during which no message is sent. It leaves the turns as they are. */
  async lend(work: (engine: Engine) => Promise<void>): Promise<void> {
    const engine = this.#engine;
    if (!engine || !this.ready) return;
    this.#lent = true;
    this.#changed();
    await work(engine).finally(() => {
      this.#lent = false;
    });
    await this.#refreshOccupancy();
    this.#changed();
  }

  /**
   * What the conversation would come to with a message that is not sent yet. Null where nobody can say: without an
   * engine, or at a server.
   * @param edited id of the message that it would stand in for
   */
  async measure(text: string, systemPrompt: string, edited: number | null = null): Promise<Measure | null> {
    const engine = this.#engine;
    if (!engine || engine.info.server !== null) return null;
    const at = this.turns.findIndex(({ id }) => id === edited);
    const before = at < 0 ? this.turns : this.turns.slice(0, at);
    const messages: ChatMessage[] = [...messagesOf(before, systemPrompt), { role: 'user', content: text }];
    const tokens = await engine.countTokens(messages).catch(() => null);
    return tokens === null ? null : { tokens, context: engine.info.context };
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

  /** Ends an answer under way at once, as before another chat is opened; its words stay in this one. */
  leave(): void {
    this.#epoch++;
    this.#answer?.abort.abort();
    if (!this.#answer) return;
    this.#closeAnswer('stopped');
    this.#changed();
  }

  /** Forgets the conversation, here and in the engine's cache. */
  newChat(): Promise<void> {
    return this.open(EMPTY_TREE);
  }

  /** Puts another conversation in the place of this one, in the engine's cache as far as it is recalled. */
  async open(tree: TurnTree): Promise<void> {
    this.leave();
    this.#grow(tree);
    this.speed = null;
    this.fault = null;
    await this.#prepare(true);
  }

  /** Gives the engine this conversation. */
  async #prepare(reset: boolean): Promise<void> {
    const [engine, epoch] = [this.#engine, this.#epoch];
    this.opening = engine !== null;
    this.#changed();
    if (!engine) return;
    try {
      if (reset) await engine.reset();
      if (epoch === this.#epoch) await this.recall(engine);
    } catch {
      // What is not recalled is read anew with the next message; an engine that is gone says so by itself.
    }
    await this.#refreshOccupancy();
    if (epoch !== this.#epoch) return;
    this.opening = false;
    this.#changed();
  }

  /** Generates an answer behind a question, or behind the turn `parent` itself. */
  async #follow(question: Turn | null, parent: number | null, settings: Settings): Promise<void> {
    const engine = this.#engine;
    assert(engine && this.ready, 'an answer is asked of a ready engine, one at a time');
    const before = this.#tree;
    const answer = this.#openAnswer(question, parent);
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
      this.#fail(answer, error, { before, text: question?.text ?? null });
    }
    if (epoch !== this.#epoch) return;
    this.#finish(answer);
  }

  #openAnswer(question: Turn | null, parent: number | null): Answer {
    const answer: Answer = {
      id: this.#newId(),
      abort: new AbortController(),
      text: '',
      thought: '',
      thoughtFrom: 0,
      thoughtTo: 0,
      tokens: 0,
      activity: 'reading',
      prefill: null,
      usage: null,
      end: 'done',
    };
    this.#grow(grown(this.#tree, parent, [...(question ? [question] : []), this.#turnOf(answer)]));
    this.#answer = answer;
    this.fault = null;
    this.#changed();
    return answer;
  }

  #grow(tree: TurnTree): void {
    this.#tree = tree;
    this.#path = pathOf(tree);
  }

  /** Microseconds since 1970, more or less: no two turns of a person's chats have the same. */
  #newId(): number {
    this.#lastId = Math.max(Date.now() * 1000, this.#lastId + 1);
    return this.#lastId;
  }

  async #applyPolicy(engine: Engine): Promise<void> {
    if (this.pendingPolicy === null) return;
    const policy = this.pendingPolicy;
    await engine.setPolicy(policy);
    this.policy = policy;
    if (this.pendingPolicy === policy) this.pendingPolicy = null;
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
    if (usage) {
      answer.tokens = usage.completion_tokens;
      answer.usage = usage;
    }
    const choice = chunk.choices[0];
    if (choice) this.#takeWords(answer, choice.delta);
    if (choice?.finish_reason === 'length' && answer.end === 'done') answer.end = 'length';
    this.#drawSoon();
  }

  #takeWords(answer: Answer, { content = '', reasoning_content: thought = '' }: Delta): void {
    if (content === '' && thought === '') return;
    const now = performance.now();
    if (thought !== '') answer.thoughtFrom ||= now;
    if (content !== '' && answer.thoughtFrom > 0) answer.thoughtTo ||= now;
    answer.thought += thought;
    answer.text += content;
    answer.tokens++;
    if (answer.activity === 'reading') answer.activity = 'writing';
  }

  #fail(answer: Answer, error: unknown, sent: { before: TurnTree; text: string | null }): void {
    if (isAbort(error)) {
      answer.end = 'stopped';
      return;
    }
    answer.end = 'failed';
    this.fault = faultOf(error);
    // Asked again it would fail again.
    if (this.fault.kind === 'policy') this.pendingPolicy = null;
    if (answer.text === '' && answer.thought === '') {
      this.#grow(sent.before);
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
  #closeAnswer(end: 'stopped' | 'failed'): void {
    if (!this.#answer) return;
    this.#answer.end = end;
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
    if (answer) this.#grow(replaced(this.#tree, this.#turnOf(answer)));
    this.#changed();
  }

  #turnOf(answer: Answer): AnswerTurn {
    return withWords(this.words, () => answerTurn(answer, this.speed, this.occupancy));
  }
}
