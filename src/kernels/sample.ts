/** Host side of `sample`: the random choice of the next token, on the GPU. */
import surveyWgsl from '../../shaders/lib/survey.wgsl?raw';
import bodyWgsl from '../../shaders/sample.wgsl?raw';
import type { OpSpec } from '../gpu/program.ts';
import { assert } from '../util/assert.ts';
import { type SampleBuffers, sampleBindings, sampleLibs } from './sample_buffers.ts';
import { type KernelSpec, linkKernel } from './spec.ts';

const WORKGROUP_SIZE = 256;

const CONSTS = {
  WORKGROUP_SIZE,
  /** Tokens that workgroup memory can list: two for each invocation. */
  CAPACITY: 2 * WORKGROUP_SIZE,
  /** Top-p without top-k hopes that about so many tokens hold the mass. */
  PROBE: 128,
};

export const sampleKernel: KernelSpec<Record<string, never>> = {
  name: 'sample',
  params: {
    vocab: 'u32',
    top_k: 'u32',
    seed: 'u32',
    position: 'u32',
    temperature: 'f32',
    top_p: 'f32',
    min_p: 'f32',
    repetition_penalty: 'f32',
  },
  variants: [{}],
  link: () => ({
    consts: CONSTS,
    libs: [...sampleLibs(false), surveyWgsl],
    body: bodyWgsl,
  }),
};

/** How the next token is chosen: Hugging Face's generation settings, in camel case. */
export interface Sampling {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0 is off. */
  readonly topK: number;
  /** 1 is off. */
  readonly topP: number;
  /** 0 is off. */
  readonly minP: number;
  /** 1 is off; applies to every token of the context. */
  readonly repetitionPenalty: number;
  /** u32; the same seed, settings and context give the same tokens on the same adapter. */
  readonly seed: number;
}

/** Each may change between runs, as a param in snake case; the temperature is above 0 here. */
export interface SampleSettings extends Sampling {
  /** u32: position of the token to be chosen. */
  readonly position: number;
}

/** Draws a token from the filtered distribution. The same seed, position, settings and logits give the same token. */
export function sample(args: SampleBuffers & SampleSettings & { readonly vocab: number }): OpSpec {
  const { vocab, temperature } = args;
  assert(temperature > 0, `sample takes a temperature above 0, not ${temperature}; argmax is for 0`);
  return {
    label: sampleKernel.name,
    text: linkKernel(sampleKernel, {}),
    buffers: sampleBindings(args),
    params: {
      vocab,
      top_k: args.topK,
      seed: args.seed,
      position: args.position,
      temperature,
      top_p: args.topP,
      min_p: args.minP,
      repetition_penalty: args.repetitionPenalty,
    },
    workgroups: [1, 1, 1],
  };
}
