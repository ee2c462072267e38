/** The library: an engine in a worker, and the types of what it takes and gives. */
export type { Occupancy, PolicyKind } from './cache/occupancy.ts';
export type { CachePolicy, DensePolicy, DmsPolicy, WindowPolicy } from './cache/policy.ts';
export type * from './engine/api.ts';
export { createEngine } from './worker/client.ts';
