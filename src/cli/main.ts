/** The command `lethe`: chooses the subcommand, tells how it is used, and makes an exit status of whatever happens. */
import { BENCH_HELP, benchCommand } from './bench.ts';
import { CHAT_HELP, chatCommand } from './chat.ts';
import { CONVERT_HELP, convertCommand } from './convert.ts';
import { MODEL_HELP } from './downloads.ts';
import { EVAL_HELP, evalCommand } from './eval.ts';
import { isParseError, UsageError } from './usage.ts';

const HELP = `lethe: language models on the GPU, with a memory that forgets well.

${CHAT_HELP}

${CONVERT_HELP}

${BENCH_HELP}

${EVAL_HELP}

${MODEL_HELP}

Without --model, chat and bench run the model that the repository ships.
`;

const COMMANDS: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  chat: chatCommand,
  convert: convertCommand,
  bench: benchCommand,
  eval: evalCommand,
};

const FAILED = 1;
const MISUSED = 2;

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === '--help' || name === '-h' || name === 'help' || rest.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name ?? ''] : undefined;
  try {
    if (!command) {
      const what = name === undefined ? 'lethe takes a command' : `lethe has no command ${name}`;
      throw new UsageError(`${what}; commands: ${Object.keys(COMMANDS).join(', ')}.`);
    }
    return await command(rest);
  } catch (cause) {
    const misused = cause instanceof UsageError || isParseError(cause);
    const words = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`lethe: ${words}\n${misused ? 'See lethe --help.\n' : ''}`);
    return misused ? MISUSED : FAILED;
  }
}

/** Leaves once what was written is out: Dawn's threads keep the process, and an exit at once cuts a pipe short. */
async function leave(status: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
  process.exit(status);
}

await leave(await main(process.argv.slice(2)));
