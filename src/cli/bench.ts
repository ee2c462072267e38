/** `lethe bench`: tokens per second of a model on this machine's GPU. */
import { parseArgs } from 'node:util';
import { type Benchmark, benchmark } from '../engine/benchmark.ts';
import { openTokenizer } from '../engine/chat_text.ts';
import { loadLocal } from '../engine/load_local.ts';
import type { AdapterFacts } from '../gpu/device.ts';
import { formatBytes, formatRate, StatusLine } from './format.ts';
import { ADAPTERS_HELP, defaultModelPath, openDawn, openModelPath } from './open.ts';
import { numberOption, policyOption } from './usage.ts';

export const BENCH_HELP = `lethe bench [-m MODEL] [--adapters FILE] [--prompt TOKENS] [--tokens TOKENS]
            [--policy dms|dense|window] [--json]
    Reads a prompt (128 tokens) and generates (64 tokens): tokens per second, dispatches and
    bytes per token, adapter.
    ${ADAPTERS_HELP}`;

const OPTIONS = {
  model: { type: 'string', short: 'm' },
  adapters: { type: 'string' },
  prompt: { type: 'string' },
  tokens: { type: 'string' },
  policy: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** Prose to read: eviction depends on what is read, so noise would mislead. It is repeated as far as needed. */
const PROSE =
  'The ferryman had crossed the river so often that he no longer looked at it. Those who sat in his boat looked ' +
  'at nothing else. They had been told that a mouthful of the water would take the weight from them, and that the ' +
  'weight was made of names: of streets, of children, of the dog that waited by the gate. Some drank at once. ' +
  'Some held the water in their hands until it had run out between their fingers, and then said that they had ' +
  'drunk. The ferryman let them say so. He knew how it went on. On the far bank a road led up between poplars, ' +
  'and whoever had kept a name would stop at the first bend and turn round to call it. ';

/** Runs `lethe bench ...`; resolves with the exit status. @throws UsageError, and the errors of loading */
export async function benchCommand(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  const promptTokens = numberOption('prompt', values.prompt, { from: 1, whole: true }) ?? 128;
  const tokens = numberOption('tokens', values.tokens, { from: 2, whole: true }) ?? 64;
  const policy = policyOption(values.policy);
  const { adapters, model: path = defaultModelPath() } = values;
  const status = new StatusLine();
  const files = await openModelPath(path, { adapters, onBytes: status.onBytes });
  const { gpu, model } = await loadLocal({ gpu: openDawn(), files, ...(policy ? { policy } : {}) });
  status.clear();
  try {
    const { tokenizer } = openTokenizer(files);
    const prompt: number[] = [];
    while (prompt.length < promptTokens) prompt.push(...tokenizer.encode(PROSE));
    prompt.length = promptTokens;
    const embedding = files.checkpoint.tensors.get('model.embed_tokens.weight')?.byteLength ?? 0;
    const result = await benchmark(model, {
      prompt,
      tokens,
      embeddingBytes: model.config.tieWordEmbeddings ? 0 : embedding,
      ...(policy ? { policy } : {}),
    });
    const { adapter, f16, subgroups } = gpu;
    const told = { model: files.name, ...result, adapter: { ...adapter, f16, subgroups } };
    process.stdout.write(values.json ? `${JSON.stringify(told)}\n` : summary(told));
    return 0;
  } finally {
    model.destroy();
    gpu.destroy();
  }
}

interface Told extends Benchmark {
  readonly model: string;
  readonly adapter: AdapterFacts & { readonly f16: boolean; readonly subgroups: boolean };
}

function summary({ model, adapter, ...figures }: Told): string {
  const name = adapter.description || adapter.architecture || adapter.vendor;
  const has = [adapter.f16 ? 'f16' : 'no f16', adapter.subgroups ? 'subgroups' : 'no subgroups'].join(', ');
  return [
    `${model} on ${name} (${has}), ${figures.policy}`,
    `prefill ${formatRate(figures.prefill_tokens_per_second)} over ${figures.prefill_tokens} tokens`,
    `decode  ${formatRate(figures.decode_tokens_per_second)} over ${figures.decode_tokens} tokens`,
    `a token: ${figures.dispatches_per_token} dispatches (${figures.dispatches_per_layer} a layer), ` +
      `${formatBytes(figures.bytes_per_token)} read`,
    '',
  ].join('\n');
}
