/** `lethe eval logits` and `lethe eval ppl`: measurements of a model, for comparison with other implementations. */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { CachePolicy } from '../cache/policy.ts';
import { evaluateLogits, evaluatePerplexity } from '../engine/evaluation.ts';
import { isRetrofitted, loadForEvaluation } from '../engine/load_local.ts';
import { StatusLine } from './format.ts';
import { ADAPTERS_HELP, openDawn, openModelPath } from './open.ts';
import { UsageError } from './usage.ts';

export const EVAL_HELP = `lethe eval logits --model MODEL --ids ids.json --out out.safetensors
                  [--policy dms|dense|window] [--offset X] [--window W] [--sinks S]
                  [--adapters FILE] [--weights native|w8|w4|f32] [--activations int8|f32] [--kv int8|f16|f32]
                  [--chunk N | --stepwise] [--rows all|last|i,j,k]
    Writes logits [rows, vocab] f32 and, unless dense, alpha [layers, KV heads, tokens] u8
    (the bit computed at each token) and live [layers, KV heads] i32.
    ${ADAPTERS_HELP}

lethe eval ppl    --model MODEL (--text FILE | --ids FILE) [--context N] [--skip N]
                  [the options above]
    Prints one JSON line: nll, ppl, standard_error, tokens, windows, mean_live_tokens, ratio.`;

const OPTIONS = {
  model: { type: 'string', short: 'm' },
  adapters: { type: 'string' },
  ids: { type: 'string' },
  text: { type: 'string' },
  out: { type: 'string' },
  policy: { type: 'string' },
  offset: { type: 'string' },
  window: { type: 'string' },
  sinks: { type: 'string' },
  weights: { type: 'string' },
  activations: { type: 'string' },
  kv: { type: 'string' },
  chunk: { type: 'string' },
  stepwise: { type: 'boolean' },
  rows: { type: 'string' },
  context: { type: 'string' },
  skip: { type: 'string' },
} as const;

type Values = ReturnType<typeof parse>;

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values;
}

function choice<T extends string>(value: string | undefined, name: string, choices: readonly [T, ...T[]]): T {
  if (value === undefined) return choices[0];
  const found = choices.find((one) => one === value);
  if (!found) throw new UsageError(`--${name} takes ${choices.join(', ')}, not ${value}.`);
  return found;
}

function number(value: string | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback;
  const parsed = Number(value);
  if (!Number.isFinite(parsed) || value === '') throw new UsageError(`--${name} takes a number, not ${value}.`);
  return parsed;
}

function count(value: string | undefined, name: string, fallback: number): number {
  const parsed = number(value, name, fallback);
  if (!Number.isInteger(parsed) || parsed < 0) throw new UsageError(`--${name} takes a whole number, not ${value}.`);
  return parsed;
}

function required(value: string | undefined, name: string): string {
  if (value === undefined) throw new UsageError(`--${name} is missing.`);
  return value;
}

function policyOf(values: Values, retrofitted: boolean): CachePolicy {
  const kind = choice(values.policy ?? (retrofitted ? 'dms' : 'dense'), 'policy', ['dms', 'dense', 'window']);
  if (kind === 'dense') return { kind };
  if (kind === 'dms') {
    const { offset, window } = values;
    return {
      kind,
      ...(offset === undefined ? {} : { offset: number(offset, 'offset', 0) }),
      ...(window === undefined ? {} : { window: Math.max(1, count(window, 'window', 1)) }),
    };
  }
  return { kind, window: Math.max(1, count(values.window, 'window', 512)), sinks: count(values.sinks, 'sinks', 4) };
}

async function readIds(path: string): Promise<readonly number[]> {
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  const list = Array.isArray(json) ? json : (json as { ids?: unknown }).ids;
  if (!Array.isArray(list) || !list.every((id) => Number.isInteger(id))) {
    throw new UsageError(`${path} holds no list of token ids; [1, 2, 3] or {"ids": [1, 2, 3]} is expected.`);
  }
  return list;
}

function rowsOf(value: string | undefined): 'all' | 'last' | readonly number[] {
  if (value === undefined || value === 'all') return 'all';
  if (value === 'last') return 'last';
  return value.split(',').map((row) => count(row, 'rows', 0));
}

/** Runs `lethe eval ...`; resolves with the exit status. @throws UsageError */
export async function evalCommand(argv: readonly string[]): Promise<number> {
  const [what, ...rest] = argv;
  if (what !== 'logits' && what !== 'ppl') throw new UsageError(`lethe eval takes logits or ppl.\n\n${EVAL_HELP}`);
  const values = parse(rest);
  const out = what === 'logits' ? required(values.out, 'out') : null;
  if (what === 'logits') required(values.ids, 'ids');
  else if ((values.text === undefined) === (values.ids === undefined)) {
    throw new UsageError('lethe eval ppl takes either --text or --ids.');
  }
  const status = new StatusLine();
  const { adapters } = values;
  const files = await openModelPath(required(values.model, 'model'), { adapters, onBytes: status.onBytes });
  const policy = policyOf(values, isRetrofitted(files));
  const { model, tokenizer, destroy } = await loadForEvaluation({
    ...{ gpu: openDawn(), files, policy },
    weights: choice(values.weights, 'weights', ['native', 'w8', 'w4', 'f32']),
    activations: choice(values.activations, 'activations', ['int8', 'f32']),
  });
  status.clear();
  try {
    const ids = values.ids ? await readIds(values.ids) : tokenizer().encode(await readFile(values.text ?? '', 'utf8'));
    const request = {
      ids,
      policy,
      kv: choice(values.kv, 'kv', ['int8', 'f16', 'f32']),
      chunk: Math.max(1, count(values.chunk, 'chunk', 256)),
      stepwise: values.stepwise === true,
    };
    if (out !== null) {
      await writeFile(out, await evaluateLogits(model, { ...request, rows: rowsOf(values.rows) }));
      return 0;
    }
    const context = count(values.context, 'context', Math.min(2048, model.facts.contextLength));
    const onWindow = (done: number, total: number): void => {
      if (process.stderr.isTTY) process.stderr.write(`\rwindow ${done} of ${total}${done === total ? '\n' : ''}`);
    };
    const result = await evaluatePerplexity(model, {
      ...request,
      context,
      skip: count(values.skip, 'skip', 0),
      onWindow,
    });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  } finally {
    destroy();
  }
}
