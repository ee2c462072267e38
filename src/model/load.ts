/** Loads a model: configuration, eviction settings, weights on the GPU; and makes sessions on it. */
import { PolicyError } from '../cache/errors.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ModelFiles } from '../formats/model_folder.ts';
import { BufferPool } from '../gpu/buffers.ts';
import { type Gpu, withErrorScopes } from '../gpu/device.ts';
import type { Elem } from '../gpu/linker.ts';
import { MAX_CHUNK_ROWS } from '../kernels/prefill_commit.ts';
import { configFromGguf, configFromJson, type ModelConfig } from './config.ts';
import { type DmsConfig, dmsFromJson, dmsFromSidecar } from './dms_config.ts';
import { Evaluator } from './evaluate.ts';
import { Runner } from './runner.ts';
import { DecoderSession } from './session.ts';
import type { LoadedModel, ModelFacts, Session, SessionOptions } from './session_types.ts';
import { loadWeights, type ModelWeights } from './weights.ts';

/** Rows of a prefill chunk unless the caller says otherwise. */
export const DEFAULT_CHUNK = 256;

export interface LoadModelOptions {
  readonly gpu: Gpu;
  readonly files: ModelFiles;
  /** int8 (default): quantised weights take int8 activations. f32: everything is computed in f32. */
  readonly activations?: 'int8' | 'f32';
  /** native (default): as stored. f32: dequantised. */
  readonly weights?: 'native' | 'f32';
  /** Bytes of weights on their way to the GPU. */
  readonly onUpload?: (done: number, total: number) => void;
  /** Kernels compiled for a session. */
  readonly onCompile?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The configuration and the eviction settings of opened files. @throws UnsupportedModelError */
export function describeModel(files: ModelFiles): { readonly config: ModelConfig; readonly dms: DmsConfig | null } {
  const { checkpoint, sidecar } = files;
  const vocab = checkpoint.tensors.get('model.embed_tokens.weight')?.shape[0] ?? 0;
  const config = files.config
    ? configFromJson(files.config)
    : configFromGguf(checkpoint.metadata, new Set(checkpoint.tensors.keys()), vocab);
  const dms = sidecar ? dmsFromSidecar(sidecar.metadata) : files.config ? dmsFromJson(files.config) : null;
  return { config, dms };
}

/** A model on the GPU; makes sessions, and evaluators for measurements. */
export class GpuModel implements LoadedModel {
  readonly facts: ModelFacts;
  readonly config: ModelConfig;
  readonly dms: DmsConfig | null;
  readonly #o: LoadModelOptions;
  readonly #buffers: BufferPool;
  readonly #weights: ModelWeights;
  readonly #elem: Elem;

  constructor(
    options: LoadModelOptions,
    made: { config: ModelConfig; dms: DmsConfig | null; buffers: BufferPool; weights: ModelWeights },
  ) {
    this.#o = options;
    this.config = made.config;
    this.dms = made.dms;
    this.#buffers = made.buffers;
    this.#weights = made.weights;
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
      weightBytes: made.buffers.allocatedBytes,
      dms: dms && { variant: dms.variant, window: dms.window, offset: dms.offset },
    };
  }

  async createSession(options: SessionOptions = {}): Promise<Session> {
    const context = Math.min(options.context ?? this.config.maxPositionEmbeddings, this.config.maxPositionEmbeddings);
    const runner = await this.#createRunner(options, context);
    return new DecoderSession(runner, context, () => undefined);
  }

  /** For measurements: logits, bits and live lengths of given tokens. */
  async createEvaluator(options: SessionOptions = {}): Promise<Evaluator> {
    const context = options.context ?? this.config.maxPositionEmbeddings;
    return Evaluator.create(await this.#createRunner(options, context));
  }

  destroy(): void {
    this.#buffers.destroyAll();
  }

  #createRunner(options: SessionOptions, context: number): Promise<Runner> {
    const policy: CachePolicy = options.policy ?? { kind: this.dms ? 'dms' : 'dense' };
    if (policy.kind === 'dms' && !this.dms) {
      throw new PolicyError('This model was not retrofitted with eviction. Choose dense or window.');
    }
    const { gpu, activations = 'int8', onCompile } = this.#o;
    return withErrorScopes(gpu.device, 'the session', () =>
      Runner.create({
        gpu,
        config: this.config,
        dms: this.dms,
        weights: this.#weights,
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

/** Brings the weights to the GPU. @throws UnsupportedModelError, FormatError, DeviceError */
export async function loadModel(options: LoadModelOptions): Promise<GpuModel> {
  const { gpu, files, onUpload, signal } = options;
  const { config, dms } = describeModel(files);
  const buffers = new BufferPool(gpu.device);
  try {
    const weights = await withErrorScopes(gpu.device, 'the weights', () =>
      loadWeights({
        checkpoint: files.checkpoint,
        adapters: files.sidecar,
        config,
        dms,
        buffers,
        weights: options.weights ?? 'native',
        ...(onUpload ? { onProgress: onUpload } : {}),
        ...(signal ? { signal } : {}),
      }),
    );
    return new GpuModel(options, { config, dms, buffers, weights });
  } catch (cause) {
    buffers.destroyAll();
    throw cause;
  }
}
