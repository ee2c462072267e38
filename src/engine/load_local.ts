/** Opens the device that a model needs and brings the model to it: for chats and for measurements alike. */
import type { CachePolicy } from '../cache/policy.ts';
import type { ModelFiles } from '../formats/model_folder.ts';
import { nativeFormat } from '../formats/pack.ts';
import type { TensorInfo } from '../formats/tensor.ts';
import { heldBytes, type WeightChoice } from '../formats/weight_choice.ts';
import { type DeviceNeed, type Gpu, type OpenGpuOptions, openGpu } from '../gpu/device.ts';
import { describeModel, type GpuModel, loadModel } from '../model/load.ts';
import { heldAs } from '../model/weights.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { DeviceOptions } from './api.ts';
import { openTokenizer } from './chat_text.ts';

export interface LoadLocalOptions {
  /** `navigator.gpu` in a browser, Dawn's in Node. */
  readonly gpu: OpenGpuOptions['gpu'];
  readonly files: ModelFiles;
  readonly device?: DeviceOptions;
  /** Default: see `defaultWeights`. */
  readonly weights?: WeightChoice;
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
  const { files, device = {}, weights = defaultWeights(files), policy, onUpload, onCompile, signal } = options;
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
  readonly weights: WeightChoice;
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

/**
 * How weights are held unless the caller says: those of a GGUF file as they are, since whoever made it chose; the 16 or
 * 32 bits of a safetensors checkpoint in w8, a half or a quarter of its size.
 */
export function defaultWeights({ checkpoint }: ModelFiles): WeightChoice {
  return checkpoint.format === 'gguf' ? 'native' : 'w8';
}

/** The largest weight buffer of a checkpoint. The cache's pools grow on their own account. */
export function deviceNeed(files: ModelFiles, weights: WeightChoice): DeviceNeed {
  const { checkpoint, sidecar } = files;
  const { dms, updates } = describeModel(files);
  const joined = new Map<string, TensorInfo[]>();
  for (const info of checkpoint.tensors.values()) {
    if (nativeFormat(info.type) === null) continue;
    const key = joinedKey(info.name);
    joined.set(key, [...(joined.get(key) ?? []), info]);
  }
  const merged = new Set(sidecar ? [...(updates?.byWeight.keys() ?? [])].map(joinedKey) : []);
  const sizes = [...joined].map(([key, infos]) => {
    const { format } = heldAs(infos, weights, dms);
    // Projections that were merged with an update are held in w8, unless all is f32.
    const formats = merged.has(key) && weights !== 'f32' ? ([format, 'w8'] as const) : [format];
    const bytes = formats.map((one) => infos.reduce((sum, info) => sum + heldBytes(info, one), 0));
    return Math.max(...bytes);
  });
  const largest = Math.max(0, ...sizes);
  return { bindingBytes: largest, bufferBytes: largest };
}
