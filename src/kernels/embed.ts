/** Host side of `embed`: the rows of tokens in the embedding table, in any weight format. */
import bodyWgsl from '../../shaders/embed.wgsl?raw';
import { WEIGHT_GROUP, type WeightFormat } from '../formats/packed.ts';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';
import { WEIGHT_FORMATS, type WeightBuffers, weightBuffers, weightLibs } from './weights.ts';

const WORKGROUP_SIZE = 64;

export interface EmbedVariant {
  readonly format: WeightFormat;
}

export const embedKernel: KernelSpec<EmbedVariant> = {
  name: 'embed',
  params: { cols: 'u32', table_rows: 'u32' },
  variants: combine({ format: WEIGHT_FORMATS } as const),
  link: ({ format }) => ({ consts: { WORKGROUP_SIZE }, libs: weightLibs(format), body: bodyWgsl }),
};

/**
 * out [rows, cols] f32 = the dequantised rows `tokens` [rows] of the table. The caller checks tokens that come from
 * outside with `assertTokens`; past the table the shader reads the last row.
 */
export function embed(args: {
  readonly tokens: GPUBuffer;
  readonly table: WeightBuffers;
  readonly out: GPUBuffer;
  readonly rows: number;
  readonly cols: number;
}): OpSpec {
  const { tokens, table, out, rows, cols } = args;
  assert(cols === table.cols, `embed is asked for ${cols} columns of a table of ${table.cols}`);
  assert(cols % WEIGHT_GROUP === 0, `embed takes columns in groups of ${WEIGHT_GROUP}, not ${cols}`);
  const variant = { format: table.format };
  return {
    label: labelOf(embedKernel, variant),
    text: linkKernel(embedKernel, variant),
    buffers: { ...weightBuffers(table), tokens, out },
    params: { cols, table_rows: table.rows },
    workgroups: embedGrid({ rows, cols }),
  };
}

/** Grid of `embed` for another number of rows. */
export function embedGrid(size: { readonly rows: number; readonly cols: number }): [number, number, number] {
  return [Math.ceil(size.cols / 4 / WORKGROUP_SIZE), size.rows, 1];
}

/** Throws when a token has no row in a table of `tableRows` rows. */
export function assertTokens(tokens: ArrayLike<number>, tableRows: number): void {
  for (let i = 0; i < tokens.length; i++) {
    const inside = Number.isInteger(tokens[i]) && tokens[i] >= 0 && tokens[i] < tableRows;
    assert(inside, `token ${tokens[i]} at ${i} has no row in an embedding table of ${tableRows}`);
  }
}
