/** What a policy comes to for a model whose offsets were measured. */
import type { CachePolicy } from '../cache/policy.ts';
import type { QualityPoint } from '../formats/manifest.ts';

/** An offset that was measured with a window of its own brings that window, unless the policy names one. */
export function measuredPolicy(policy: CachePolicy, quality: readonly QualityPoint[] | null): CachePolicy {
  if (policy.kind !== 'dms' || policy.window !== undefined) return policy;
  const window = quality?.find(({ offset }) => offset === policy.offset)?.window;
  return window === undefined ? policy : { ...policy, window };
}
