/** Host side of `matmul`: a weight matrix times many rows of activations, the product of prefill. */
import tileFloatWgsl from '../../shaders/lib/weights_tile_float.wgsl?raw';
import tileInt8Wgsl from '../../shaders/lib/weights_tile_int8.wgsl?raw';
import bodyWgsl from '../../shaders/matmul.wgsl?raw';
import { WEIGHT_GROUP } from '../formats/packed.ts';
import type { Elem } from '../gpu/linker.ts';
import type { OpSpec } from '../gpu/program.ts';
import type { Activation } from './activation.ts';
import { type KernelSpec, labelOf, linkKernel } from './spec.ts';
import {
  type ProductStore,
  type ProductVariant,
  productBuffers,
  productLibs,
  productVariant,
  productVariants,
  type WeightBuffers,
} from './weights.ts';

const TILE_ROWS = 32;
const TILE_COLS = 64;
/** An invocation owns 4 rows by 8 columns of the tile. */
const CONSTS = { TILE_ROWS, TILE_COLS, COL_STEP: TILE_COLS / 8, WORKGROUP_SIZE: (TILE_ROWS / 4) * (TILE_COLS / 8) };

export const matmulKernel: KernelSpec<ProductVariant> = {
  name: 'matmul',
  params: { rows: 'u32', cols: 'u32', groups: 'u32', add: 'u32' },
  variants: productVariants(),
  link: (variant) => ({
    elem: variant.elem,
    consts: CONSTS,
    libs: [...productLibs(variant), variant.form === 'int8' ? tileInt8Wgsl : tileFloatWgsl],
    body: bodyWgsl,
  }),
};

/**
 * out [rows, weight.rows] = x W^T, stored as elements or f32, or added to f32.
 * The parameter `rows` may change between runs, with the grid of `matmulGrid`.
 * @param args.x [rows, weight.cols]; int8 only with w4, w4m and w8
 * @param args.store what `out` holds: `elem`, `f32`, or f32 that is added to
 * @param args.elem element type of x and of stored elements
 */
export function matmul(args: {
  readonly weight: WeightBuffers;
  readonly x: Activation;
  readonly out: GPUBuffer;
  readonly rows: number;
  readonly store: ProductStore;
  readonly elem: Elem;
}): OpSpec {
  const { weight, rows, store } = args;
  const variant = productVariant(args);
  return {
    label: labelOf(matmulKernel, variant),
    text: linkKernel(matmulKernel, variant),
    buffers: productBuffers(args),
    params: { rows, cols: weight.rows, groups: weight.cols / WEIGHT_GROUP, add: store === 'add' ? 1 : 0 },
    workgroups: matmulGrid({ rows, n: weight.rows }),
  };
}

/** Grid of `matmul` for `rows` rows of activations and `n` rows of the weight. */
export function matmulGrid(size: { readonly rows: number; readonly n: number }): [number, number, number] {
  return [Math.ceil(size.n / TILE_COLS), Math.ceil(size.rows / TILE_ROWS), 1];
}
