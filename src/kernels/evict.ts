/** Host side of `evict`: the eviction decision of one decode step, on each KV head of a layer. */
import bodyWgsl from '../../shaders/evict.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 32;

export const evictKernel: KernelSpec<Record<string, never>> = {
  name: 'evict',
  params: {
    position: 'u32',
    ring_size: 'u32',
    shift: 'u32',
    kv_heads: 'u32',
    per_head: 'u32',
    alpha_base: 'u32',
    ring_base: 'u32',
    live_base: 'u32',
    slot_base: 'u32',
    dropped_base: 'u32',
    dropped_stride: 'u32',
  },
  variants: [{}],
  link: () => ({ consts: { WORKGROUP_SIZE }, body: bodyWgsl }),
};

/**
 * Gives the token at `position` a slot on every KV head: that of the token which leaves the ring if it is flagged,
 * else a
 * new one. `position` changes between runs. Bases are in words.
 * @param args.alpha u32, the token's bits: [kvHeads] from alphaBase, or one when perHead is 0
 * @param args.state u32, state[0] != 0: halted, so that nothing changes and slots get 0xffffffff
 * @param args.ring u32 [kvHeads, ringSize] from ringBase: slot | flag << 31
 * @param args.live u32 [kvHeads] from liveBase
 * @param args.slots u32 [kvHeads] from slotBase, out
 * @param args.dropped u32 [kvHeads, droppedStride] from droppedBase: a bit for each token, set when its slot is taken
 */
export function evict(args: {
  readonly alpha: GPUBuffer;
  readonly state: GPUBuffer;
  readonly ring: GPUBuffer;
  readonly live: GPUBuffer;
  readonly slots: GPUBuffer;
  readonly dropped: GPUBuffer;
  readonly position: number;
  readonly ringSize: number;
  readonly shift: 0 | 1;
  readonly perHead: 0 | 1;
  readonly kvHeads: number;
  readonly alphaBase: number;
  readonly ringBase: number;
  readonly liveBase: number;
  readonly slotBase: number;
  readonly droppedBase: number;
  readonly droppedStride: number;
}): OpSpec {
  const { alpha, state, ring, live, slots, dropped, ringSize, kvHeads } = args;
  assert(ringSize >= 2, `a ring of ${ringSize} holds no window: the window must be at least 1`);
  return {
    label: labelOf(evictKernel, {}),
    text: linkKernel(evictKernel, {}),
    buffers: { alpha, state, ring, live, slots, dropped },
    params: {
      position: args.position,
      ring_size: ringSize,
      shift: args.shift,
      kv_heads: kvHeads,
      per_head: args.perHead,
      alpha_base: args.alphaBase,
      ring_base: args.ringBase,
      live_base: args.liveBase,
      slot_base: args.slotBase,
      dropped_base: args.droppedBase,
      dropped_stride: args.droppedStride,
    },
    workgroups: [Math.ceil(kvHeads / WORKGROUP_SIZE), 1, 1],
  };
}
