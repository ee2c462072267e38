/** Compiles pipelines, once for each content: the key is the linked text with its overrides, never a hand-made name. */
import { type BindingDeclaration, bindingsOf } from './linker.ts';

/** A compiled compute pipeline with the layout that its text declares. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly BindingDeclaration[];
}

export type Overrides = Readonly<Record<string, number>>;

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, Promise<Pipeline>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Number of distinct pipelines asked for so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** The pipeline of a linked module; compiles at the first call. Rejects with the compiler's words and the label. */
  get(label: string, text: string, overrides: Overrides = {}): Promise<Pipeline> {
    const key = JSON.stringify([text, Object.entries(overrides).sort()]);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(label, text, overrides);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  async #compile(label: string, text: string, overrides: Overrides): Promise<Pipeline> {
    const bindings = bindingsOf(text);
    const module = this.#device.createShaderModule({ label, code: text });
    const layout = this.#device.createBindGroupLayout({
      label,
      entries: bindings.map(({ binding, kind }) => ({
        binding,
        visibility: 4, // GPUShaderStage.COMPUTE; the global is absent in Node.
        buffer: { type: kind },
      })),
    });
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label,
        layout: this.#device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main', constants: { ...overrides } },
      });
      return { pipeline, layout, bindings };
    } catch (cause) {
      const info = await module.getCompilationInfo();
      const words = info.messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join('\n');
      throw new Error(`kernel ${label} does not compile: ${String(cause)}\n${words}`, { cause });
    }
  }
}
