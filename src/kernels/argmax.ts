/** Host side of `argmax`: the greedy choice of the next token, on the GPU. */
import bodyWgsl from '../../shaders/argmax.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { type SampleBuffers, sampleBindings, sampleLibs } from './sample_buffers.ts';
import { combine, type KernelSpec, labelOf, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 256;

export interface ArgmaxVariant {
  readonly subgroups: boolean;
}

export const argmaxKernel: KernelSpec<ArgmaxVariant> = {
  name: 'argmax',
  params: { vocab: 'u32', repetition_penalty: 'f32' },
  variants: combine({ subgroups: [false, true] } as const),
  link: ({ subgroups }) => ({ subgroups, consts: { WORKGROUP_SIZE }, libs: sampleLibs(subgroups), body: bodyWgsl }),
};

/**
 * Chooses the token with the largest logit, the lowest of equals.
 * @param args.repetitionPenalty 1 is off; changes between runs as param `repetition_penalty`
 */
export function argmax(
  args: SampleBuffers & { readonly vocab: number; readonly repetitionPenalty: number; readonly subgroups: boolean },
): OpSpec {
  const { vocab, repetitionPenalty, subgroups } = args;
  return {
    label: labelOf(argmaxKernel, { subgroups }),
    text: linkKernel(argmaxKernel, { subgroups }),
    buffers: sampleBindings(args),
    params: { vocab, repetition_penalty: repetitionPenalty },
    workgroups: [1, 1, 1],
  };
}
