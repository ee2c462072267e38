/** `lethe chat`: one answer with `-p`, else a conversation in the terminal. */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { ChatChunk, ChatMessage, ChatRequest, Engine, LetheExtra, Usage } from '../engine/api.ts';
import { createLocalEngine } from '../engine/engine.ts';
import { formatAnswerLine, formatProgress, StatusLine } from './format.ts';
import { defaultModelPath, openDawn, openModelPath } from './open.ts';
import { numberOption, policyOption, UsageError } from './usage.ts';

export const CHAT_HELP = `lethe chat [-m MODEL] [-p PROMPT] [--system TEXT] [--temperature X]
           [--max-tokens N] [--seed N] [--policy dms|dense|window] [--json]
    Chats in the terminal; with -p answers once. Ctrl-C stops the answer, twice leaves.
    --json (with -p) prints one object: text, finish_reason, usage, speed, model, adapter.`;

const OPTIONS = {
  model: { type: 'string', short: 'm' },
  prompt: { type: 'string', short: 'p' },
  system: { type: 'string' },
  temperature: { type: 'string' },
  'max-tokens': { type: 'string' },
  seed: { type: 'string' },
  policy: { type: 'string' },
  json: { type: 'boolean' },
} as const;

type Settings = Omit<ChatRequest, 'messages' | 'stream'>;

interface Told {
  readonly text: string;
  readonly finishReason: string;
  readonly usage: Usage;
  readonly lethe: LetheExtra;
}

/** Runs `lethe chat ...`; resolves with the exit status. @throws UsageError, and the errors of loading */
export async function chatCommand(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  const { prompt, system, json = false } = values;
  if (json && prompt === undefined) throw new UsageError('--json needs -p PROMPT.');
  const temperature = numberOption('temperature', values.temperature, { from: 0, to: 2 });
  const maxTokens = numberOption('max-tokens', values['max-tokens'], { from: 1, whole: true });
  const seed = numberOption('seed', values.seed, { from: 0, to: 0xffff_ffff, whole: true });
  const settings: Settings = {
    ...(temperature === null ? {} : { temperature }),
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
    ...(seed === null ? {} : { seed }),
  };
  const policy = policyOption(values.policy);
  const status = new StatusLine();
  const files = await openModelPath(values.model ?? defaultModelPath(), { onBytes: status.onBytes });
  const engine = await createLocalEngine({
    gpu: openDawn(),
    files,
    cache: policy ? { policy } : {},
    onProgress: (progress) => status.show(formatProgress(progress)),
  });
  status.clear();
  const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  try {
    if (prompt === undefined) return await converse(engine, messages, settings);
    messages.push({ role: 'user', content: prompt });
    return await (json ? answerJson : answerOnce)(engine, { ...settings, messages });
  } finally {
    await engine.destroy();
  }
}

async function answerJson(engine: Engine, request: ChatRequest): Promise<number> {
  const { choices, usage, lethe } = await engine.chat.completions.create({ ...request, stream: false });
  const [{ message, finish_reason }] = choices;
  const { modelName: model, adapter, f16, subgroups } = engine.info;
  const result = { text: message.content, finish_reason, usage, speed: lethe.speed, model };
  process.stdout.write(`${JSON.stringify({ ...result, adapter: { ...adapter, f16, subgroups } })}\n`);
  return 0;
}

async function answerOnce(engine: Engine, request: ChatRequest): Promise<number> {
  const stop = new AbortController();
  const onInterrupt = (): void => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  };
  process.on('SIGINT', onInterrupt);
  try {
    summarise(await tell(engine, request, stop.signal));
  } finally {
    process.off('SIGINT', onInterrupt);
  }
  return 0;
}

/** Streams an answer to the terminal. */
async function tell(engine: Engine, request: ChatRequest, signal: AbortSignal): Promise<Told> {
  const chunks = await engine.chat.completions.create(
    { ...request, stream: true, stream_options: { include_usage: true } },
    { signal },
  );
  const status = new StatusLine();
  let text = '';
  let last: ChatChunk | null = null;
  let usage: Usage | null = null;
  try {
    for await (const chunk of chunks) {
      usage = chunk.usage ?? usage;
      const [choice] = chunk.choices;
      if (!choice) continue;
      last = chunk;
      const prefill = chunk.lethe?.prefill;
      if (prefill) status.show(`reading ${prefill.done} of ${prefill.total} tokens`);
      if (choice.delta.reasoning_content) status.show('thinking');
      const piece = choice.delta.content ?? '';
      if (piece === '') continue;
      status.clear();
      process.stdout.write(piece);
      text += piece;
    }
  } finally {
    status.clear();
    process.stdout.write('\n');
  }
  const reason = last?.choices[0]?.finish_reason;
  if (!reason || !usage) throw new Error('The answer ended without a reason.');
  return { text, finishReason: reason, usage, lethe: last?.lethe ?? {} };
}

function summarise({ usage, lethe, finishReason }: Told): void {
  if (!lethe.speed) return;
  const notes = [formatAnswerLine(usage, lethe.speed)];
  if (lethe.aborted) notes.push('stopped');
  else if (finishReason === 'length') notes.push('the limit was reached');
  process.stderr.write(`[${notes.join('; ')}]\n`);
}

/** Reads lines until the end of input or a second Ctrl-C. */
async function converse(engine: Engine, messages: ChatMessage[], settings: Settings): Promise<number> {
  const { modelName, adapter } = engine.info;
  process.stderr.write(
    `${modelName} on ${adapter.description || adapter.vendor}. Ctrl-C stops an answer, twice leaves.\n`,
  );
  const terminal = process.stdin.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal,
    prompt: terminal ? '> ' : '',
  });
  let answering: AbortController | null = null;
  let closed = false;
  lines.on('close', () => {
    closed = true;
  });
  const onInterrupt = (): void => {
    if (answering && !answering.signal.aborted) answering.abort();
    else lines.close();
  };
  lines.on('SIGINT', onInterrupt);
  process.on('SIGINT', onInterrupt);
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== '') {
      answering = new AbortController();
      await turn(engine, { messages, settings, line, signal: answering.signal });
      answering = null;
    }
    if (!closed) lines.prompt();
  }
  process.off('SIGINT', onInterrupt);
  return 0;
}

/** One question and its answer; an error is told, and the conversation goes on as it was. */
async function turn(
  engine: Engine,
  asked: {
    readonly messages: ChatMessage[];
    readonly settings: Settings;
    readonly line: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { messages, settings, line, signal } = asked;
  const question: ChatMessage = { role: 'user', content: line };
  try {
    const told = await tell(engine, { ...settings, messages: [...messages, question] }, signal);
    messages.push(question, { role: 'assistant', content: told.text });
    summarise(told);
  } catch (cause) {
    process.stderr.write(`lethe: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  }
}
