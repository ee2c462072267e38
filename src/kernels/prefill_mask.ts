/** Host side of `prefill_mask`: until which query each key is visible in a chunk of a prompt. */
import bodyWgsl from '../../shaders/prefill_mask.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 256;

export const prefillMaskKernel: KernelSpec<Record<string, never>> = {
  name: 'prefill_mask',
  params: {
    position: 'u32',
    rows: 'u32',
    ring_size: 'u32',
    shift: 'u32',
    per_head: 'u32',
    kv_heads: 'u32',
    until_stride: 'u32',
    alpha_base: 'u32',
    ring_base: 'u32',
    live_base: 'u32',
  },
  variants: [{}],
  link: () => ({ consts: { WORKGROUP_SIZE }, body: bodyWgsl }),
};

/**
 * until [kvHeads, untilStride] = last query position that may attend each slot in use, then each row of the chunk.
 * Run it once a chunk and layer, before the attention and the commit. `position` and `rows` change between runs.
 * @param args.alpha [.., rows, kvHeads] u32 bits from word alphaBase
 * @param args.ring [.., kvHeads, ringSize] u32 slot | flag << 31 from word ringBase; the flag of the token before the
 *   chunk is written under shift 1
 * @param args.live [.., kvHeads] u32 from word liveBase, lengths before the chunk
 * @param args.until [kvHeads, untilStride] u32; live + rows of any head must not pass untilStride
 */
export function prefillMask(args: {
  readonly alpha: GPUBuffer;
  readonly ring: GPUBuffer;
  readonly live: GPUBuffer;
  readonly until: GPUBuffer;
  readonly position: number;
  readonly rows: number;
  readonly ringSize: number;
  readonly shift: 0 | 1;
  readonly perHead: boolean;
  readonly kvHeads: number;
  readonly untilStride: number;
  readonly alphaBase: number;
  readonly ringBase: number;
  readonly liveBase: number;
}): OpSpec {
  const { alpha, ring, live, until, ringSize, kvHeads } = args;
  assert(ringSize >= 2, `a ring of ${ringSize} holds no window: the window must be at least 1`);
  return {
    label: labelOf(prefillMaskKernel, {}),
    text: linkKernel(prefillMaskKernel, {}),
    buffers: { alpha, ring, live, until },
    params: {
      position: args.position,
      rows: args.rows,
      ring_size: ringSize,
      shift: args.shift,
      per_head: args.perHead ? 1 : 0,
      kv_heads: kvHeads,
      until_stride: args.untilStride,
      alpha_base: args.alphaBase,
      ring_base: args.ringBase,
      live_base: args.liveBase,
    },
    workgroups: [kvHeads, 1, 1],
  };
}
