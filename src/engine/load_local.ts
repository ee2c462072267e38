/** Opens the device that a model needs and brings the model to it: for chats and for measurements alike. */
import type { CachePolicy } from '../cache/policy.ts';
import { lowRankUpdates } from '../formats/low_rank.ts';
import type { ModelFiles } from '../formats/model_folder.ts';
import type { TensorInfo } from '../formats/tensor.ts';
import { type DeviceNeed, type Gpu, type OpenGpuOptions, openGpu } from '../gpu/device.ts';
import { describeModel, type GpuModel, loadModel } from '../model/load.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { DeviceOptions } from './api.ts';
import { openTokenizer } from './chat_text.ts';

export interface LoadLocalOptions {
  /** `navigator.gpu` in a browser, Dawn's in Node. */
  readonly gpu: OpenGpuOptions['gpu'];
  readonly files: ModelFiles;
  readonly device?: DeviceOptions;
  /** native (default): as stored. f32: dequantised, for checks. */
  readonly weights?: 'native' | 'f32';
  /** Whose weights are loaded; default the model's own. */
  readonly policy?: CachePolicy;
  readonly onUpload?: (done: number, total: number) => void;
  readonly onCompile?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface LocalModel {
  readonly gpu: Gpu;
  readonly model: GpuModel;
}

/** @throws DeviceError, UnsupportedModelError, FormatError; the signal's reason when it fires */
export async function loadLocal(options: LoadLocalOptions): Promise<LocalModel> {
  const { files, device = {}, weights = 'native', policy, onUpload, onCompile, signal } = options;
  signal?.throwIfAborted();
  const { activations, ...adapter } = device;
  const gpu = await openGpu({ gpu: options.gpu, need: deviceNeed(files, weights), ...adapter });
  try {
    const model = await loadModel({
      gpu,
      files,
      weights,
      ...(activations ? { activations } : {}),
      ...(policy ? { policy } : {}),
      ...(onUpload ? { onUpload } : {}),
      ...(onCompile ? { onCompile } : {}),
      ...(signal ? { signal } : {}),
    });
    return { gpu, model };
  } catch (cause) {
    gpu.destroy();
    throw cause;
  }
}

/** What `lethe eval` works with. `tokenizer` opens it when asked: a model without one can still be given ids. */
export interface EvaluationModel {
  readonly model: GpuModel;
  readonly tokenizer: () => Tokenizer;
  readonly destroy: () => void;
}

export async function loadForEvaluation(options: {
  readonly gpu: OpenGpuOptions['gpu'];
  readonly files: ModelFiles;
  readonly weights: 'native' | 'f32';
  readonly activations: 'int8' | 'f32';
  readonly policy: CachePolicy;
}): Promise<EvaluationModel> {
  const { gpu, files, weights, activations, policy } = options;
  const local = await loadLocal({ gpu, files, weights, policy, device: { activations } });
  return {
    model: local.model,
    tokenizer: () => openTokenizer(files).tokenizer,
    destroy: () => {
      local.model.destroy();
      local.gpu.destroy();
    },
  };
}

/** True when the files bring eviction with them. @throws UnsupportedModelError, FormatError */
export function isRetrofitted(files: ModelFiles): boolean {
  return describeModel(files).dms !== null;
}

/** Projections that the model level joins into one matrix share a key; any other tensor is its own. */
function joinedKey(name: string): string {
  return name.replace(/self_attn\.[qkv]_proj/, 'self_attn.qkv').replace(/mlp\.(gate|up)_proj/, 'mlp.gate_up');
}

/** Bytes of a tensor on the GPU: BF16 becomes f32, everything does where asked; else nothing grows. */
function gpuBytes(info: TensorInfo, weights: 'native' | 'f32'): number {
  if (weights === 'native' && info.type !== 'BF16') return info.byteLength;
  return 4 * info.shape.reduce((product, size) => product * size, 1);
}

/** Bytes of a tensor in w8, the form of projections that were merged with an update: 34 for 32 elements. */
function mergedBytes(info: TensorInfo): number {
  return (34 / 32) * info.shape.reduce((product, size) => product * size, 1);
}

/** The largest weight buffer of a checkpoint. The cache's pools grow on their own account. */
export function deviceNeed(files: ModelFiles, weights: 'native' | 'f32'): DeviceNeed {
  const { checkpoint, sidecar } = files;
  const updates = sidecar ? lowRankUpdates(sidecar, checkpoint) : null;
  const merged = new Set([...(updates?.byWeight.keys() ?? [])].map(joinedKey));
  const sizes = new Map<string, number>();
  for (const info of checkpoint.tensors.values()) {
    const key = joinedKey(info.name);
    const grown = weights === 'native' && merged.has(key) ? mergedBytes(info) : 0;
    sizes.set(key, (sizes.get(key) ?? 0) + Math.max(gpuBytes(info, weights), grown));
  }
  const largest = Math.max(0, ...sizes.values());
  return { bindingBytes: largest, bufferBytes: largest };
}
