/** Loads a model: configuration, retrofit, weights on the GPU; and makes sessions on it. */
import { CacheFullError, PolicyError } from '../cache/errors.ts';
import type { CachePolicy } from '../cache/policy.ts';
import { dequantise } from '../formats/dequantise.ts';
import { type LowRankUpdates, lowRankUpdates } from '../formats/low_rank.ts';
import type { ModelFiles } from '../formats/model_folder.ts';
import type { WeightChoice } from '../formats/weight_choice.ts';
import { type Gpu, withErrorScopes } from '../gpu/device.ts';
import type { Elem } from '../gpu/linker.ts';
import { MAX_CHUNK_ROWS } from '../kernels/prefill_commit.ts';
import { configFromGguf, configFromJson, type ModelConfig, withRopeDivisors } from './config.ts';
import { type DmsConfig, dmsFromJson, dmsFromSidecar } from './dms_config.ts';
import { Evaluator } from './evaluate.ts';
import { Runner } from './runner.ts';
import { DecoderSession } from './session.ts';
import type { LoadedModel, ModelFacts, Session, SessionOptions } from './session_types.ts';
import { WeightSets } from './weight_sets.ts';

/** Rows of a prefill chunk unless the caller says otherwise. */
export const DEFAULT_CHUNK = 256;

export interface LoadModelOptions {
  readonly gpu: Gpu;
  readonly files: ModelFiles;
  /** int8 (default): quantised weights take int8 activations. f32: everything is computed in f32. */
  readonly activations?: 'int8' | 'f32';
  /** Default native: as stored. */
  readonly weights?: WeightChoice;
  /** Whose weights are loaded at once; others come with their first session. Default: `dms` if retrofitted. */
  readonly policy?: CachePolicy;
  /** Bytes of weights on their way to the GPU. */
  readonly onUpload?: (done: number, total: number) => void;
  /** Kernels compiled for a session. */
  readonly onCompile?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface ModelDescription {
  readonly config: ModelConfig;
  /** Null when the model was not retrofitted. */
  readonly dms: DmsConfig | null;
  /** Low-rank updates that are part of the retrofit, where it has some. */
  readonly updates: LowRankUpdates | null;
}

/** What opened files say of their model. @throws UnsupportedModelError, FormatError */
export function describeModel(files: ModelFiles): ModelDescription {
  const { checkpoint, sidecar } = files;
  const vocab = checkpoint.tensors.get('model.embed_tokens.weight')?.shape[0] ?? 0;
  const config = files.config
    ? configFromJson(files.config)
    : configFromGguf(checkpoint.metadata, new Set(checkpoint.tensors.keys()), vocab);
  const dms = sidecar ? dmsFromSidecar(sidecar.metadata) : files.config ? dmsFromJson(files.config) : null;
  return { config, dms, updates: sidecar ? lowRankUpdates(sidecar, checkpoint) : null };
}

/** A model on the GPU; makes sessions, and evaluators for measurements. */
export class GpuModel implements LoadedModel {
  readonly facts: ModelFacts;
  readonly config: ModelConfig;
  readonly dms: DmsConfig | null;
  readonly #o: LoadModelOptions;
  readonly #sets: WeightSets;
  readonly #elem: Elem;

  constructor(options: LoadModelOptions, made: { config: ModelConfig; dms: DmsConfig | null; sets: WeightSets }) {
    this.#o = options;
    this.config = made.config;
    this.dms = made.dms;
    this.#sets = made.sets;
    // A CPU adapter emulates halves, which costs more than the bytes that they save.
    const halves = options.gpu.f16 && !options.gpu.adapter.fallback && options.activations !== 'f32';
    this.#elem = halves ? 'f16' : 'f32';
    const { config, dms } = made;
    this.facts = {
      architecture: config.architecture,
      layers: config.numHiddenLayers,
      kvHeads: config.numKeyValueHeads,
      headDim: config.headDim,
      hiddenSize: config.hiddenSize,
      vocabSize: config.vocabSize,
      contextLength: config.maxPositionEmbeddings,
      weightBytes: made.sets.allocatedBytes,
      dms: dms && { variant: dms.variant, window: dms.window, offset: dms.offset },
    };
  }

  async createSession(options: SessionOptions = {}): Promise<Session> {
    const { contextLength } = this.facts;
    const context = Math.min(options.context ?? contextLength, contextLength);
    const runner = await this.#createRunner(options, context);
    return new DecoderSession(runner, context, () => undefined);
  }

  /** For measurements: logits, bits and live lengths of given tokens. @throws CacheFullError where they are too many */
  async createEvaluator(options: SessionOptions = {}): Promise<Evaluator> {
    const { contextLength } = this.facts;
    const { context = contextLength } = options;
    if (context > contextLength) {
      const fact = `${context} tokens are to be read at once, and this model reads ${contextLength} at most.`;
      throw new CacheFullError('context', `${fact} Choose shorter texts, or a shorter context.`);
    }
    return Evaluator.create(await this.#createRunner(options, context));
  }

  destroy(): void {
    this.#sets.destroy();
  }

  async #createRunner(options: SessionOptions, context: number): Promise<Runner> {
    const policy = policyFor(this.dms, options.policy);
    const { gpu, activations = 'int8', onCompile, onUpload } = this.#o;
    const weights = await this.#sets.forPolicy(policy.kind, {
      ...(onUpload ? { onProgress: onUpload } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    return withErrorScopes(gpu.device, 'the session', () =>
      Runner.create({
        gpu,
        config: this.config,
        dms: this.dms,
        weights,
        policy,
        kv: options.kv ?? 'int8',
        activations,
        elem: this.#elem,
        context,
        chunk: Math.min(options.chunk ?? DEFAULT_CHUNK, MAX_CHUNK_ROWS),
        budgetBytes: options.budgetBytes ?? Number.POSITIVE_INFINITY,
        ...(onCompile ? { onCompiled: onCompile } : {}),
      }),
    );
  }
}

/** The policy asked for, or the model's own. @throws PolicyError */
function policyFor(dms: DmsConfig | null, asked: CachePolicy | undefined): CachePolicy {
  const policy: CachePolicy = asked ?? { kind: dms ? 'dms' : 'dense' };
  if (policy.kind === 'dms' && !dms) {
    throw new PolicyError('This model was not retrofitted with eviction. Choose dense or window.');
  }
  if (policy.kind === 'dms' && policy.window !== undefined && !(Number.isInteger(policy.window) && policy.window > 0)) {
    throw new PolicyError(`A window is a whole number of at least 1, not ${policy.window}.`);
  }
  return policy;
}

/** GGUF files of Llama 3.1 and later say their RoPE scaling in a tensor. @throws UnsupportedModelError */
async function completed(config: ModelConfig, files: ModelFiles, signal?: AbortSignal): Promise<ModelConfig> {
  const name = 'rope_freqs.weight';
  const info = files.config ? undefined : files.checkpoint.tensors.get(name);
  return info ? withRopeDivisors(config, dequantise(info, await files.checkpoint.read(name, signal))) : config;
}

/** Brings the weights of a policy to the GPU. @throws PolicyError, UnsupportedModelError, FormatError, DeviceError */
export async function loadModel(options: LoadModelOptions): Promise<GpuModel> {
  const { gpu, files, weights = 'native', onUpload, signal } = options;
  const { config: described, dms, updates } = describeModel(files);
  const config = await completed(described, files, signal);
  const policy = policyFor(dms, options.policy);
  const { checkpoint, sidecar } = files;
  const sets = new WeightSets({ gpu, checkpoint, sidecar, config, dms, updates, weights });
  await sets.forPolicy(policy.kind, {
    ...(onUpload ? { onProgress: onUpload } : {}),
    ...(signal ? { signal } : {}),
  });
  return new GpuModel(options, { config, dms, sets });
}
