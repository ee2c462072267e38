/**
 * Host side of `prefill_commit`: which slot each row of an attended chunk takes. It moves no keys: `kv_scatter` does.
 */
import bodyWgsl from '../../shaders/prefill_commit.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 256;
const ITEMS = 4;

/** The longest chunk that can be committed at once, in tokens. */
export const MAX_CHUNK_ROWS = ITEMS * WORKGROUP_SIZE;

export const prefillCommitKernel: KernelSpec<Record<string, never>> = {
  name: 'prefill_commit',
  params: {
    position: 'u32',
    rows: 'u32',
    ring_size: 'u32',
    shift: 'u32',
    per_head: 'u32',
    kv_heads: 'u32',
    slot_stride: 'u32',
    alpha_base: 'u32',
    ring_base: 'u32',
    live_base: 'u32',
  },
  variants: [{}],
  link: () => ({ consts: { WORKGROUP_SIZE, ITEMS }, body: bodyWgsl }),
};

/**
 * Frees the slots of flagged tokens that leave the window, drops flagged rows that are past it already, and gives the
 * rest of the chunk slots. `position` and `rows` change between runs; rows must not pass MAX_CHUNK_ROWS.
 * @param args.alpha [.., rows, kvHeads] u32 bits from word alphaBase
 * @param args.ring [.., kvHeads, ringSize] u32 slot | flag << 31 from word ringBase, as prefill_mask left it
 * @param args.live [.., kvHeads] u32 from word liveBase: lengths before, then after the chunk
 * @param args.slotOfRow [kvHeads, slotStride] u32, 0xffffffff for a dropped row
 */
export function prefillCommit(args: {
  readonly alpha: GPUBuffer;
  readonly ring: GPUBuffer;
  readonly live: GPUBuffer;
  readonly slotOfRow: GPUBuffer;
  readonly position: number;
  readonly rows: number;
  readonly ringSize: number;
  readonly shift: 0 | 1;
  readonly perHead: boolean;
  readonly kvHeads: number;
  readonly slotStride: number;
  readonly alphaBase: number;
  readonly ringBase: number;
  readonly liveBase: number;
}): OpSpec {
  const { alpha, ring, live, slotOfRow, rows, slotStride, ringSize, kvHeads } = args;
  assert(ringSize >= 2, `a ring of ${ringSize} holds no window: the window must be at least 1`);
  assert(rows <= MAX_CHUNK_ROWS, `a chunk of ${rows} rows is longer than the ${MAX_CHUNK_ROWS} that can be committed`);
  assert(rows <= slotStride, `${rows} rows do not fit a stride of ${slotStride}`);
  return {
    label: labelOf(prefillCommitKernel, {}),
    text: linkKernel(prefillCommitKernel, {}),
    buffers: { alpha, ring, live, slot_of_row: slotOfRow },
    params: {
      position: args.position,
      rows,
      ring_size: ringSize,
      shift: args.shift,
      per_head: args.perHead ? 1 : 0,
      kv_heads: kvHeads,
      slot_stride: slotStride,
      alpha_base: args.alphaBase,
      ring_base: args.ringBase,
      live_base: args.liveBase,
    },
    workgroups: [kvHeads, 1, 1],
  };
}
