/** Every kernel there is, for the checks that go over all of them. */
import { addBiasKernel } from './add_bias.ts';
import { argmaxKernel } from './argmax.ts';
import { attentionKernel } from './attention.ts';
import { embedKernel } from './embed.ts';
import { evictKernel } from './evict.ts';
import { headRopeKernel } from './head_rope.ts';
import { kvScatterKernel } from './kv_scatter.ts';
import { matmulKernel } from './matmul.ts';
import { matvecKernel } from './matvec.ts';
import { mergeKernel } from './merge.ts';
import { prefillAttentionKernel } from './prefill_attention.ts';
import { prefillCommitKernel } from './prefill_commit.ts';
import { prefillMaskKernel } from './prefill_mask.ts';
import { rmsnormKernel } from './rmsnorm.ts';
import { sampleKernel } from './sample.ts';
import { siluMulKernel } from './silu_mul.ts';
import { type KernelSpec, linkKernel } from './spec.ts';
import { storeKvKernel } from './store_kv.ts';

/** A kernel whose variants can be linked without knowing their type. */
export interface LinkedKernel {
  readonly name: string;
  readonly params: KernelSpec<unknown>['params'];
  readonly variants: readonly unknown[];
  /** The linked text of each variant. */
  readonly texts: () => readonly string[];
}

function linked<Variant>(spec: KernelSpec<Variant>): LinkedKernel {
  return { ...spec, texts: () => spec.variants.map((variant) => linkKernel(spec, variant)) };
}

export const allKernels: readonly LinkedKernel[] = [
  linked(addBiasKernel),
  linked(argmaxKernel),
  linked(attentionKernel),
  linked(embedKernel),
  linked(evictKernel),
  linked(headRopeKernel),
  linked(kvScatterKernel),
  linked(matmulKernel),
  linked(matvecKernel),
  linked(mergeKernel),
  linked(prefillAttentionKernel),
  linked(prefillCommitKernel),
  linked(prefillMaskKernel),
  linked(rmsnormKernel),
  linked(sampleKernel),
  linked(siluMulKernel),
  linked(storeKvKernel),
];
