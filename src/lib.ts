/** The library: an engine in a worker, and the types of what it takes and gives. */
export type { Occupancy, PolicyKind } from './cache/occupancy.ts';
export type { CachePolicy, DensePolicy, DmsPolicy, WindowPolicy } from './cache/policy.ts';
export type * from './engine/api.ts';
export type { QualityPoint } from './formats/manifest.ts';
export type { ModelFacts } from './model/session_types.ts';
export type { KeptModelInfo, Listing } from './store/kept_model.ts';
export { createEngine } from './worker/client.ts';
export { deleteModel, listModels } from './worker/kept_models.ts';
