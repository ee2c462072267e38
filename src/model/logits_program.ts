/** Final norm and vocabulary head over a few rows of the residual stream. */
import { Program } from '../gpu/program.ts';
import { matmul, matmulGrid } from '../kernels/matmul.ts';
import { rmsnorm } from '../kernels/rmsnorm.ts';
import { type ForwardContext, InputScratch, rowProduct } from './forward.ts';

/** Logits of up to `rows` neighbouring rows; one row goes through the decode kernels. */
export class LogitsProgram {
  readonly program: Program;
  /** f32 [rows, vocab] */
  readonly logits: GPUBuffer;
  readonly #prepare: (row: number, count: number) => void;

  /** @param x f32 [.., hidden], the residual stream after the last layer */
  constructor(
    context: ForwardContext,
    args: { readonly x: GPUBuffer; readonly logits: GPUBuffer; readonly rows: number },
  ) {
    const { gpu, config, weights, elem } = context;
    const { x, logits, rows } = args;
    const { lmHead: weight } = weights;
    const { subgroups } = gpu;
    this.logits = logits;
    this.program = new Program(gpu.device, 'logits');
    const out = new InputScratch(context, rows).of(weight);
    const size = { rows, cols: config.hiddenSize, eps: config.rmsNormEps, rowOffset: 0 };
    const norm = this.program.add(rmsnorm({ x, weight: weights.finalNorm, out, ...size, elem, subgroups }));
    const single = rows === 1;
    const head = this.program.add(
      single
        ? rowProduct(context, { weight, x: out, out: logits, store: 'f32' })
        : matmul({ weight, x: out, out: logits, rows, store: 'f32', elem }),
    );
    this.#prepare = (row, count) => {
      norm.set({ row_offset: row });
      norm.workgroups = [count, 1, 1];
      if (single) return;
      head.set({ rows: count });
      head.workgroups = matmulGrid({ rows: count, n: weight.rows });
    };
  }

  /** Chooses the rows of the coming run. */
  prepare(row: number, count = 1): void {
    this.#prepare(row, count);
  }
}
