/**
 * Opens the GPU: adapter, features, limits, loss. It asks for `min(adapter limit, need)` and nothing more, and refuses
 * to fall back to anything in silence.
 */
import { DeviceError } from './errors.ts';
import { PipelineCache } from './pipeline.ts';

/** The largest buffers that the caller will bind; bytes. */
export interface DeviceNeed {
  /** Largest single storage binding, in bytes. */
  readonly bindingBytes?: number;
  /** Largest single buffer, in bytes. */
  readonly bufferBytes?: number;
}

export interface OpenGpuOptions {
  /** `navigator.gpu` in a page, Dawn's in Node. */
  readonly gpu: GPU | undefined;
  readonly need?: DeviceNeed;
  /** False keeps `shader-f16` off even where the adapter has it. */
  readonly f16?: boolean;
  /** False keeps `subgroups` off even where the adapter has them. */
  readonly subgroups?: boolean;
  /** True asks for `timestamp-query` where the adapter has it. */
  readonly timestamps?: boolean;
  readonly powerPreference?: GPUPowerPreference;
}

/** What the page and `lethe bench` tell about the adapter. */
export interface AdapterFacts {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly fallback: boolean;
}

/** An open device with what the layers above ask of it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterFacts;
  readonly f16: boolean;
  readonly subgroups: boolean;
  readonly timestamps: boolean;
  readonly pipelines: PipelineCache;
  /** The first error that no scope caught, or null: a fault of ours, and results after it mean nothing. */
  fault(): string | null;
  /** Resolves when the device is gone, with the reason. */
  readonly lost: Promise<DeviceError>;
  destroy(): void;
}

const NEED_REMEDY = 'Use a smaller model or context, or a GPU with larger buffers.';

function checkLimit(name: string, need: number, have: number): number {
  if (need > have) {
    throw new DeviceError(
      'limit-too-small',
      `The model needs ${name} of ${need} bytes and this adapter allows ${have}.`,
      NEED_REMEDY,
    );
  }
  return need;
}

/** The limits to ask for: what is needed, never less than the specification's default. */
function requiredLimits(limits: GPUSupportedLimits, need: DeviceNeed): Record<string, number> {
  const defaultBinding = 134_217_728;
  const defaultBuffer = 268_435_456;
  const binding = Math.max(need.bindingBytes ?? 0, Math.min(defaultBinding, limits.maxStorageBufferBindingSize));
  const buffer = Math.max(need.bufferBytes ?? 0, binding, Math.min(defaultBuffer, limits.maxBufferSize));
  return {
    maxStorageBufferBindingSize: checkLimit('maxStorageBufferBindingSize', binding, limits.maxStorageBufferBindingSize),
    maxBufferSize: checkLimit('maxBufferSize', buffer, limits.maxBufferSize),
  };
}

/**
 * Opens a device on the given GPU object.
 * @throws DeviceError when there is no WebGPU, no adapter, a feature is missing or a limit is too small.
 */
export async function openGpu(options: OpenGpuOptions): Promise<Gpu> {
  const { gpu } = options;
  if (!gpu) {
    throw new DeviceError(
      'no-webgpu',
      'This browser offers no WebGPU here.',
      'Use a current Chrome, Edge, Safari or Firefox, over https or localhost.',
    );
  }
  if (!gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product')) {
    throw new DeviceError(
      'missing-feature',
      'This WebGPU lacks the WGSL feature packed_4x8_integer_dot_product.',
      'Update the browser: Chrome and Edge have it since 123, Firefox since 141, Safari since 26.',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
  if (!adapter) {
    throw new DeviceError(
      'no-adapter',
      'WebGPU found no graphics adapter.',
      'Turn on hardware acceleration in the browser and update the graphics driver.',
    );
  }
  const want = (feature: GPUFeatureName, on: boolean): boolean => on && adapter.features.has(feature);
  const f16 = want('shader-f16', options.f16 ?? true);
  const subgroups = want('subgroups', options.subgroups ?? true);
  const timestamps = want('timestamp-query', options.timestamps ?? false);
  const requiredFeatures: GPUFeatureName[] = [];
  if (f16) requiredFeatures.push('shader-f16');
  if (subgroups) requiredFeatures.push('subgroups');
  if (timestamps) requiredFeatures.push('timestamp-query');
  const device = await adapter.requestDevice({
    label: 'lethe',
    requiredFeatures,
    requiredLimits: requiredLimits(adapter.limits, options.need ?? {}),
  });
  let fault: string | null = null;
  device.addEventListener('uncapturederror', (event) => {
    fault ??= event.error.message;
  });
  const { vendor, architecture, description } = adapter.info;
  const lost = device.lost.then(
    (info) => new DeviceError('lost', `The graphics device was lost: ${info.message}.`, 'Load the model again.'),
  );
  return {
    device,
    adapter: { vendor, architecture, description, fallback: adapter.info.isFallbackAdapter ?? false },
    f16,
    subgroups,
    timestamps,
    pipelines: new PipelineCache(device),
    fault: () => fault,
    lost,
    destroy: () => device.destroy(),
  };
}

/**
 * Runs `work` inside validation and out-of-memory scopes.
 * @throws DeviceError `out-of-memory`, or an Error with the validation message.
 */
export async function withErrorScopes<T>(device: GPUDevice, label: string, work: () => Promise<T> | T): Promise<T> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  let result: T;
  try {
    result = await work();
  } finally {
    const memory = await device.popErrorScope();
    const validation = await device.popErrorScope();
    if (memory) {
      const remedy = 'Close other tabs or programs that use the GPU, or choose a smaller model or context.';
      // biome-ignore lint/correctness/noUnsafeFinally: the GPU's error is the cause of whatever else went wrong.
      throw new DeviceError('out-of-memory', `The GPU has no memory left for ${label}.`, remedy);
    }
    // biome-ignore lint/correctness/noUnsafeFinally: as above.
    if (validation) throw new Error(`${label}: ${validation.message}`);
  }
  return result;
}
