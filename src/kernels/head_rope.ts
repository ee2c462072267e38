/** Host side of `head_rope`: head norm, eviction bit and rotary position embedding. */
import bodyWgsl from '../../shaders/head_rope.wgsl?raw';
import gateAdapterWgsl from '../../shaders/lib/gate_adapter.wgsl?raw';
import gateBorrowWgsl from '../../shaders/lib/gate_borrow.wgsl?raw';
import gateNoneWgsl from '../../shaders/lib/gate_none.wgsl?raw';
import normNoneWgsl from '../../shaders/lib/head_norm_none.wgsl?raw';
import normRmsWgsl from '../../shaders/lib/head_norm_rms.wgsl?raw';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert, defined } from '../util/assert.ts';
import { HEAD_DIMS, type HeadDim, headDimOf } from './kv_libs.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

/** Heads that a workgroup owns; an eighth of a head's channels is the number of invocations of each. */
const HEADS_PER_WORKGROUP = 8;

/** Where a learned bit is read from. */
export type Gate = 'none' | 'borrow' | 'adapter';

export interface HeadRopeVariant {
  readonly headDim: HeadDim;
  readonly norm: boolean;
  readonly gate: Gate;
  readonly elem: Elem;
}

const GATE_LIBS: Readonly<Record<Gate, string>> = {
  none: gateNoneWgsl,
  borrow: gateBorrowWgsl,
  adapter: gateAdapterWgsl,
};

export const headRopeKernel: KernelSpec<HeadRopeVariant> = {
  name: 'head_rope',
  params: {
    rows: 'u32',
    heads: 'u32',
    kv_heads: 'u32',
    position: 'u32',
    bit_mode: 'u32',
    shift: 'u32',
    sinks: 'u32',
    hidden: 'u32',
    alpha_base: 'u32',
    scale: 'f32',
    offset: 'f32',
    eps: 'f32',
  },
  variants: combine({
    headDim: HEAD_DIMS,
    norm: [false, true],
    gate: ['none', 'borrow', 'adapter'],
    elem: ['f32', 'f16'],
  } as const),
  link: ({ headDim, norm, gate, elem }) => ({
    elem,
    consts: { HEAD_DIM: headDim, WORKGROUP_SIZE: (HEADS_PER_WORKGROUP * headDim) / 8 },
    libs: [norm ? normRmsWgsl : normNoneWgsl, GATE_LIBS[gate]],
    body: bodyWgsl,
  }),
};

/** The head norms of a family as the kernel binds them: [2, headDim] f32, the queries' weights first. */
export function packHeadNorms(qNorm: Float32Array, kNorm: Float32Array): Float32Array {
  assert(qNorm.length === kNorm.length, `head norms of ${qNorm.length} and ${kNorm.length} channels differ`);
  return Float32Array.from([...qNorm, ...kNorm]);
}

/**
 * An adapter as the kernel binds it: norm [hidden], weight [kvHeads, hidden], bias [kvHeads], zeros to a multiple of
 * 4.
 */
export function packGate(gate: {
  readonly norm: Float32Array;
  readonly weight: Float32Array;
  /** Zeros when null. */
  readonly bias: Float32Array | null;
}): Float32Array {
  const { norm, weight, bias } = gate;
  const kvHeads = weight.length / norm.length;
  assert(Number.isInteger(kvHeads), `a gate of ${weight.length} weights does not fit a norm of ${norm.length}`);
  assert(bias === null || bias.length === kvHeads, `a gate of ${kvHeads} heads has ${bias?.length} biases`);
  const packed = new Float32Array(Math.ceil((norm.length + weight.length + kvHeads) / 4) * 4);
  packed.set(norm);
  packed.set(weight, norm.length);
  if (bias) packed.set(bias, norm.length + weight.length);
  return packed;
}

/**
 * Queries and keys with position, and the eviction bit of each token and KV head. `position`, `rows` and the grid
 * change
 * between runs, `offset` may.
 * @param args.qkv [rows, (heads + 2 * kvHeads) * headDim] elem
 * @param args.rope [rows, headDim] f32: cosines, then sines
 * @param args.q [rows, heads * headDim] elem, out
 * @param args.k [rows, kvHeads * headDim] elem, out
 * @param args.alpha u32 [rows, kvHeads] from word alphaBase, out
 * @param args.headNorms as `packHeadNorms` makes it; null in families without head norms
 * @param args.gate borrow or adapter: the model is built for it, also while bits are off
 * @param args.gateWeights as `packGate` makes it, and args.x [rows, hidden] f32, the residual stream: for the adapter
 * @param args.bitMode 0: the bit is 0. 1: learned. 2: 1 from token sinks + shift on
 */
export function headRope(args: {
  readonly qkv: GPUBuffer;
  readonly rope: GPUBuffer;
  readonly q: GPUBuffer;
  readonly k: GPUBuffer;
  readonly alpha: GPUBuffer;
  readonly headNorms: GPUBuffer | null;
  readonly x: GPUBuffer | null;
  readonly gateWeights: GPUBuffer | null;
  readonly gate: Gate;
  readonly bitMode: 0 | 1 | 2;
  readonly scale: number;
  readonly offset: number;
  readonly shift: 0 | 1;
  readonly sinks: number;
  readonly position: number;
  readonly alphaBase: number;
  readonly rows: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hidden: number;
  readonly eps: number;
  readonly elem: Elem;
}): OpSpec {
  const { qkv, rope, q, k, alpha, headNorms, gate, bitMode, rows, heads, kvHeads, hidden, elem } = args;
  assert(heads % kvHeads === 0, `${heads} query heads are no multiple of ${kvHeads} KV heads`);
  assert(hidden % 4 === 0, `a hidden size of ${hidden} is no multiple of 4`);
  assert(gate !== 'none' || bitMode !== 1, 'learned bits need a gate');
  const variant = { headDim: headDimOf(args.headDim), norm: headNorms !== null, gate, elem };
  const adapter =
    gate === 'adapter'
      ? { x: defined(args.x, 'residual stream'), gate: defined(args.gateWeights, 'gate weights') }
      : {};
  return {
    label: labelOf(headRopeKernel, variant),
    text: linkKernel(headRopeKernel, variant),
    buffers: { qkv, rope, q, k, alpha, ...(headNorms ? { head_norms: headNorms } : {}), ...adapter },
    params: {
      rows,
      heads,
      kv_heads: kvHeads,
      position: args.position,
      bit_mode: bitMode,
      shift: args.shift,
      sinks: args.sinks,
      hidden,
      alpha_base: args.alphaBase,
      scale: args.scale,
      offset: args.offset,
      eps: args.eps,
    },
    workgroups: headRopeGrid({ rows, heads, kvHeads, gate }),
  };
}

/** Grid of `headRope` for another number of rows. */
export function headRopeGrid(size: {
  readonly rows: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly gate: Gate;
}): [number, number, number] {
  const { rows, heads, kvHeads, gate } = size;
  const gates = gate === 'adapter' ? rows * kvHeads : 0;
  return [Math.ceil((rows * (heads + kvHeads)) / HEADS_PER_WORKGROUP) + gates, 1, 1];
}
