/** What the kernels that choose a token (`argmax`, `sample`) have in common on the host. */
import finishTokenWgsl from '../../shaders/lib/finish_token.wgsl?raw';
import logitsWgsl from '../../shaders/lib/logits.wgsl?raw';
import reduceWgsl from '../../shaders/lib/reduce.wgsl?raw';
import reduceSubgroupWgsl from '../../shaders/lib/reduce_subgroup.wgsl?raw';
import { assert } from '../util/assert.ts';

/** The token of a result whose step did nothing, because an earlier one had halted. */
export const HALTED = 0xffffffff;

/** Reductions carry an index as f32, so an index must be exact in one. */
const MAX_VOCAB = 2 ** 24;

/** What a choice of a token reads and writes. */
export interface SampleBuffers {
  /** f32 [vocab], in a buffer of at least ceil(vocab / 4) * 16 bytes. */
  readonly logits: GPUBuffer;
  /** u32 [>= 1]: the first becomes the chosen token. */
  readonly tokens: GPUBuffer;
  /** u32 [4]: halt flag, count of tokens chosen; a set flag makes the kernel do nothing. */
  readonly state: GPUBuffer;
  /** u32 [1 + count]: the count, then the tokens that set the halt flag. */
  readonly stops: GPUBuffer;
  /** u32 [ceil(vocab / 32)]: a bit for each token of the context; the chosen token's is set. */
  readonly seen: GPUBuffer;
  /** u32 [2]: (token, halted), or (HALTED, 1) when an earlier step had halted. */
  readonly result: GPUBuffer;
}

/** The library files of both kernels. */
export function sampleLibs(subgroups: boolean): readonly string[] {
  return [subgroups ? reduceSubgroupWgsl : reduceWgsl, finishTokenWgsl, logitsWgsl];
}

/** The buffers for the bindings of `sampleLibs`. */
export function sampleBindings(args: SampleBuffers & { readonly vocab: number }): Readonly<Record<string, GPUBuffer>> {
  const { logits, tokens, state, stops, seen, result, vocab } = args;
  assert(vocab > 0 && vocab < MAX_VOCAB, `a vocabulary has 1 to ${MAX_VOCAB - 1} tokens, not ${vocab}`);
  const bytes = Math.ceil(vocab / 4) * 16;
  assert(
    logits.size >= bytes,
    `${vocab} logits are read in fours: their buffer needs ${bytes} bytes, not ${logits.size}`,
  );
  return { logits, tokens, state, stops, seen, result };
}
