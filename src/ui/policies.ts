/** Cache policies as a person chooses them: which are the same, and what a choice comes to for a model. */
import type { CachePolicy } from '../cache/policy.ts';
import type { EngineInfo } from '../engine/api.ts';
import { cachePolicy } from './settings.ts';

/** A policy with the numbers that the model's own defaults fill in; `null` is the model's own choice. */
export function fullPolicy(policy: CachePolicy | null, { dms }: Pick<EngineInfo['facts'], 'dms'>): CachePolicy {
  const chosen: CachePolicy = policy ?? (dms ? { kind: 'dms' } : { kind: 'dense' });
  return chosen.kind === 'dms' && dms ? { ...chosen, offset: chosen.offset ?? dms.offset } : chosen;
}

/** What to set beside remembering everything: the policy in force if it forgets, else what the model can do. */
export function comparedPolicy(policy: CachePolicy | null, info: Pick<EngineInfo, 'facts'> | null): CachePolicy | null {
  if (!policy || !info || policy.kind !== 'dense') return policy;
  return info.facts.dms ? fullPolicy({ kind: 'dms' }, info.facts) : cachePolicy('window');
}

/** Whether two policies keep the same; both with all their numbers. */
export function samePolicy(one: CachePolicy, other: CachePolicy): boolean {
  if (one.kind === 'dms') return other.kind === 'dms' && one.offset === other.offset && one.window === other.window;
  if (one.kind === 'window') {
    return other.kind === 'window' && one.window === other.window && one.sinks === other.sinks;
  }
  return other.kind === 'dense';
}
