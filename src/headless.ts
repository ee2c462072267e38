/**
 * `lethe/headless`: the engine in the thread that imports it, without worker and page; in a worker of one's own, in
 * Node, in tests.
 */
export type { Occupancy, PolicyKind } from './cache/occupancy.ts';
export type { CachePolicy, DensePolicy, DmsPolicy, WindowPolicy } from './cache/policy.ts';
export type * from './engine/api.ts';
export { createEngine, type HeadlessOptions } from './engine/headless.ts';
export type { QualityPoint } from './formats/manifest.ts';
export type { ModelFacts } from './model/session_types.ts';
