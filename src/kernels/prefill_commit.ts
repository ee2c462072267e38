/**
 * Host side of `prefill_commit`: which slot each row of an attended chunk takes. It moves no keys: `kv_scatter` does.
 */
import chunkWgsl from '../../shaders/lib/chunk.wgsl?raw';
import bodyWgsl from '../../shaders/prefill_commit.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { CHUNK_PARAMS, type ChunkBuffers, chunkParams, type DroppedPlace } from './prefill_mask.ts';
import { type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 256;
const ITEMS = 4;

/** The longest chunk that can be committed at once, in tokens. */
export const MAX_CHUNK_ROWS = ITEMS * WORKGROUP_SIZE;

export const prefillCommitKernel: KernelSpec<Record<string, never>> = {
  name: 'prefill_commit',
  params: CHUNK_PARAMS,
  variants: [{}],
  link: () => ({ consts: { WORKGROUP_SIZE, ITEMS }, libs: [chunkWgsl], body: bodyWgsl }),
};

/**
 * Frees the slots of flagged tokens that leave the window, drops flagged rows that are past it already, and gives the
 * rest of the chunk slots. `rows` must not pass MAX_CHUNK_ROWS. The ring is as prefill_mask left it; lengths become
 * those after the chunk.
 * @param args.slotOfRow [kvHeads, slotStride] u32, 0xffffffff for a dropped row
 * @param args.dropped u32 [kvHeads, droppedStride] from droppedBase: a bit for each token, set when it is dropped
 */
export function prefillCommit(
  args: ChunkBuffers &
    DroppedPlace & { readonly slotOfRow: GPUBuffer; readonly slotStride: number; readonly dropped: GPUBuffer },
): OpSpec {
  const { alpha, ring, live, slotOfRow, rows, slotStride, dropped } = args;
  assert(rows <= MAX_CHUNK_ROWS, `a chunk of ${rows} rows is longer than the ${MAX_CHUNK_ROWS} that can be committed`);
  assert(rows <= slotStride, `${rows} rows do not fit a stride of ${slotStride}`);
  return {
    label: labelOf(prefillCommitKernel, {}),
    text: linkKernel(prefillCommitKernel, {}),
    buffers: { alpha, ring, live, slot_of_row: slotOfRow, dropped },
    params: chunkParams(args, slotStride, args),
    workgroups: [args.kvHeads, 1, 1],
  };
}
