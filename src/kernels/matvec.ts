/** Host side of `matvec`: a weight matrix times one row of activations, the product of decoding. */
import rowsInvocationWgsl from '../../shaders/lib/weights_rows_invocation.wgsl?raw';
import rowsSubgroupWgsl from '../../shaders/lib/weights_rows_subgroup.wgsl?raw';
import rowsWorkgroupWgsl from '../../shaders/lib/weights_rows_workgroup.wgsl?raw';
import bodyWgsl from '../../shaders/matvec.wgsl?raw';
import { WEIGHT_GROUP } from '../formats/packed.ts';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec, Workgroups } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import type { Activation } from './activation.ts';
import { type KernelSpec, labelOf, linkKernel, type Numerics } from './spec.ts';
import {
  type ProductStore,
  type ProductVariant,
  productBuffers,
  productLibs,
  productVariant,
  productVariants,
  type WeightBuffers,
} from './weights.ts';

/**
 * Who owns four rows of the matrix: `workgroup` suits every GPU, `invocation` adapters that compute on the CPU (there
 * it
 * is two to three times as fast, and on a GPU its reads do not coalesce).
 */
export type MatvecOwner = 'workgroup' | 'invocation';

export interface MatvecVariant extends ProductVariant, Numerics {
  readonly owner: MatvecOwner;
}

const ROWS = 4;
const GRID_WIDTH = 32_768;
/** Invocations of a workgroup that owns rows by invocation: the width of the vectors of CPU adapters. */
const INVOCATION_LANES = 8;

function rowsLib({ owner, subgroups }: MatvecVariant): string {
  if (owner === 'invocation') return rowsInvocationWgsl;
  return subgroups ? rowsSubgroupWgsl : rowsWorkgroupWgsl;
}

/** Rows by invocation exist without f16: where they pay, f16 does not. */
function variants(): readonly MatvecVariant[] {
  return productVariants().flatMap((variant) => [
    { ...variant, owner: 'workgroup', subgroups: false } as const,
    { ...variant, owner: 'workgroup', subgroups: true } as const,
    ...(variant.elem === 'f32' ? [{ ...variant, owner: 'invocation', subgroups: false } as const] : []),
  ]);
}

export const matvecKernel: KernelSpec<MatvecVariant> = {
  name: 'matvec',
  params: { rows: 'u32', groups: 'u32', add: 'u32' },
  variants: variants(),
  link: (variant) => ({
    elem: variant.elem,
    subgroups: variant.subgroups,
    consts: { GRID_WIDTH },
    libs: [...productLibs(variant), rowsLib(variant)],
    body: bodyWgsl,
  }),
};

/**
 * out [weight.rows] = W x, stored as elements or f32, or added to f32.
 * @param args.x [weight.cols], one row; int8 only with w4, w4m and w8
 * @param args.store what `out` holds: `elem`, `f32`, or f32 that is added to
 * @param args.elem element type of x and of stored elements
 * @param args.owner `workgroup` unless told
 */
export function matvec(
  args: {
    readonly weight: WeightBuffers;
    readonly x: Activation;
    readonly out: GPUBuffer;
    readonly store: ProductStore;
    readonly elem: Elem;
    readonly owner?: MatvecOwner;
  } & Numerics,
): OpSpec {
  const { weight, x, store, elem, owner = 'workgroup' } = args;
  const subgroups = owner === 'workgroup' && args.subgroups;
  const variant = { ...productVariant({ weight, x, store, elem }), owner, subgroups };
  const exists = owner === 'workgroup' || variant.elem === 'f32';
  assert(exists, 'matvec by invocation exists for f32 elements only');
  const groups = weight.cols / WEIGHT_GROUP;
  const lanes = owner === 'invocation' ? INVOCATION_LANES : groups <= 32 ? 32 : 64;
  return {
    label: labelOf(matvecKernel, variant),
    text: linkKernel(matvecKernel, variant),
    overrides: { LANES: lanes },
    buffers: productBuffers(args),
    params: { rows: weight.rows, groups, add: store === 'add' ? 1 : 0 },
    workgroups: wrap(Math.ceil(weight.rows / (owner === 'invocation' ? ROWS * lanes : ROWS))),
  };
}

/** A count of workgroups as a grid no wider than GRID_WIDTH. */
function wrap(count: number): Workgroups {
  return [Math.min(count, GRID_WIDTH), Math.ceil(count / GRID_WIDTH), 1];
}
