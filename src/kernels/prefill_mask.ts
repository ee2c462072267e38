/** Host side of `prefill_mask`: until which query each key is visible in a chunk of a prompt. */
import chunkWgsl from '../../shaders/lib/chunk.wgsl?raw';
import bodyWgsl from '../../shaders/prefill_mask.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 256;

/**
 * A chunk of a prompt in one layer: where its bits and the layer's state lie. `position` and `rows` change between
 * runs.
 */
export interface ChunkBuffers {
  /** [.., rows, kvHeads] u32 bits from word alphaBase */
  readonly alpha: GPUBuffer;
  /** [.., kvHeads, ringSize] u32 slot | flag << 31 from word ringBase */
  readonly ring: GPUBuffer;
  /** [.., kvHeads] u32 from word liveBase */
  readonly live: GPUBuffer;
  readonly position: number;
  readonly rows: number;
  readonly ringSize: number;
  readonly shift: 0 | 1;
  readonly perHead: boolean;
  readonly kvHeads: number;
  readonly alphaBase: number;
  readonly ringBase: number;
  readonly liveBase: number;
}

/** The params in lib/chunk.wgsl. */
export const CHUNK_PARAMS = {
  position: 'u32',
  rows: 'u32',
  ring_size: 'u32',
  shift: 'u32',
  per_head: 'u32',
  kv_heads: 'u32',
  out_stride: 'u32',
  alpha_base: 'u32',
  ring_base: 'u32',
  live_base: 'u32',
  dropped_base: 'u32',
  dropped_stride: 'u32',
} as const;

/** Where the commit records the tokens that it drops; the mask does not. */
export interface DroppedPlace {
  readonly droppedBase: number;
  readonly droppedStride: number;
}

/** Values of CHUNK_PARAMS; `stride` counts the words of one head in the kernel's output. */
export function chunkParams(
  chunk: ChunkBuffers,
  stride: number,
  dropped: DroppedPlace = { droppedBase: 0, droppedStride: 0 },
): Record<keyof typeof CHUNK_PARAMS, number> {
  const { ringSize } = chunk;
  assert(ringSize >= 2, `a ring of ${ringSize} holds no window: the window must be at least 1`);
  return {
    position: chunk.position,
    rows: chunk.rows,
    ring_size: ringSize,
    shift: chunk.shift,
    per_head: chunk.perHead ? 1 : 0,
    kv_heads: chunk.kvHeads,
    out_stride: stride,
    alpha_base: chunk.alphaBase,
    ring_base: chunk.ringBase,
    live_base: chunk.liveBase,
    dropped_base: dropped.droppedBase,
    dropped_stride: dropped.droppedStride,
  };
}

export const prefillMaskKernel: KernelSpec<Record<string, never>> = {
  name: 'prefill_mask',
  params: CHUNK_PARAMS,
  variants: [{}],
  link: () => ({ consts: { WORKGROUP_SIZE }, libs: [chunkWgsl], body: bodyWgsl }),
};

/**
 * until [kvHeads, untilStride] = last query position that may attend each slot in use, then each row of the chunk.
 * Run it once a chunk and layer, before the attention and the commit. Under shift 1 it writes the flag of the token
 * before the chunk into the ring. Lengths are those before the chunk.
 * @param args.until [kvHeads, untilStride] u32; live + rows of any head must not pass untilStride
 */
export function prefillMask(args: ChunkBuffers & { readonly until: GPUBuffer; readonly untilStride: number }): OpSpec {
  const { alpha, ring, live, until } = args;
  return {
    label: labelOf(prefillMaskKernel, {}),
    text: linkKernel(prefillMaskKernel, {}),
    buffers: { alpha, ring, live, until },
    params: chunkParams(args, args.untilStride),
    workgroups: [args.kvHeads, 1, 1],
  };
}
