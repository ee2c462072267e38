/**
 * A program: an ordered list of dispatches whose bind groups are made once and whose parameters live in one arena that
 * is written in one call a run. It knows nothing of what the numbers mean.
 */
import { assert, defined } from '../util/assert.ts';
import { paramsOf, type ScalarType } from './linker.ts';
import type { Overrides, Pipeline, PipelineCache } from './pipeline.ts';

/** A buffer, or a part of one from `offset` for `size` bytes (offset a multiple of 256). */
export type BufferSlice = GPUBuffer | { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

export type Workgroups = readonly [number, number, number];

/** One dispatch, as a kernel's host file describes it. */
export interface OpSpec {
  /** Kernel and variant, for labels and counts: `matvec w4 int8`. */
  readonly label: string;
  /** The linked module. */
  readonly text: string;
  readonly overrides?: Overrides;
  /** A buffer for each storage binding of the module, by the name that the module gives it. */
  readonly buffers: Readonly<Record<string, BufferSlice>>;
  /** A number for each field of the module's `Params`, by name. */
  readonly params: Readonly<Record<string, number>>;
  readonly workgroups: Workgroups;
}

const PARAMS_ALIGNMENT = 256;

/** A dispatch inside a program. Its parameters, its grid and its buffers can be changed between runs. */
export class Op {
  readonly label: string;
  workgroups: Workgroups;
  /** False leaves the dispatch out of the runs until it is set again. */
  enabled = true;
  readonly spec: OpSpec;
  readonly buffers: Record<string, BufferSlice>;
  readonly #fields = new Map<string, readonly [number, ScalarType]>();
  #arena: DataView | null = null;
  #base = 0;
  pipeline: Pipeline | null = null;
  bindGroup: GPUBindGroup | null = null;

  constructor(spec: OpSpec) {
    this.spec = spec;
    this.label = spec.label;
    this.workgroups = spec.workgroups;
    this.buffers = { ...spec.buffers };
    paramsOf(spec.text).forEach(([name, type], index) => {
      this.#fields.set(name, [index * 4, type]);
    });
    for (const name of Object.keys(spec.params)) assert(this.#fields.has(name), `${spec.label} has no param ${name}`);
    for (const name of this.#fields.keys()) {
      assert(typeof spec.params[name] === 'number', `${spec.label} needs a value for param ${name}`);
    }
  }

  /** Gives the op its place in the arena and writes the first values. */
  place(arena: DataView, base: number): void {
    this.#arena = arena;
    this.#base = base;
    this.set(this.spec.params);
  }

  /** Changes parameters by name; takes effect with the next run. */
  set(values: Readonly<Record<string, number>>): void {
    const arena = defined(this.#arena, `arena of ${this.label}`);
    for (const [name, value] of Object.entries(values)) {
      const [offset, type] = defined(this.#fields.get(name), `param ${name} of ${this.label}`);
      if (type === 'f32') arena.setFloat32(this.#base + offset, value, true);
      else if (type === 'u32') arena.setUint32(this.#base + offset, value, true);
      else arena.setInt32(this.#base + offset, value, true);
    }
  }

  /** Puts another buffer behind a binding; takes effect with the next run. */
  rebind(name: string, buffer: BufferSlice): void {
    assert(name in this.buffers, `${this.label} has no buffer ${name}`);
    this.buffers[name] = buffer;
    this.bindGroup = null;
  }
}

export class Program {
  readonly label: string;
  readonly #device: GPUDevice;
  readonly #ops: Op[] = [];
  #arena: GPUBuffer | null = null;
  #bytes = new ArrayBuffer(0);

  constructor(device: GPUDevice, label: string) {
    this.#device = device;
    this.label = label;
  }

  get ops(): readonly Op[] {
    return this.#ops;
  }

  /** Number of dispatches that a run makes now. */
  get dispatches(): number {
    return this.#ops.filter((op) => op.enabled).length;
  }

  add(spec: OpSpec): Op {
    assert(this.#arena === null, `${this.label} is already built`);
    const op = new Op(spec);
    this.#ops.push(op);
    return op;
  }

  /** Compiles every pipeline, all at once, and lays out the arena. `onCompiled` counts pipelines as they get ready. */
  async build(pipelines: PipelineCache, onCompiled?: () => void): Promise<void> {
    await Promise.all(
      this.#ops.map(async (op) => {
        op.pipeline = await pipelines.get(op.label, op.spec.text, op.spec.overrides);
        onCompiled?.();
      }),
    );
    this.#bytes = new ArrayBuffer(Math.max(1, this.#ops.length) * PARAMS_ALIGNMENT);
    const view = new DataView(this.#bytes);
    this.#ops.forEach((op, index) => {
      op.place(view, index * PARAMS_ALIGNMENT);
    });
    this.#arena = this.#device.createBuffer({
      label: `${this.label} params`,
      size: this.#bytes.byteLength,
      usage: 0x40 | 0x08, // UNIFORM | COPY_DST
    });
  }

  /** Writes the parameters of all dispatches and records them into one compute pass of `encoder`. */
  encode(encoder: GPUCommandEncoder, timestampWrites?: GPUComputePassTimestampWrites): void {
    const arena = defined(this.#arena, `arena of ${this.label}`);
    this.#device.queue.writeBuffer(arena, 0, this.#bytes);
    const pass = encoder.beginComputePass({ label: this.label, ...(timestampWrites ? { timestampWrites } : {}) });
    this.#ops.forEach((op, index) => {
      if (!op.enabled) return;
      op.bindGroup ??= this.#bind(op, arena, index * PARAMS_ALIGNMENT);
      pass.setPipeline(defined(op.pipeline, `pipeline of ${op.label}`).pipeline);
      pass.setBindGroup(0, op.bindGroup);
      pass.dispatchWorkgroups(...op.workgroups);
    });
    pass.end();
  }

  destroy(): void {
    this.#arena?.destroy();
  }

  #bind(op: Op, arena: GPUBuffer, base: number): GPUBindGroup {
    const { layout, bindings } = defined(op.pipeline, `pipeline of ${op.label}`);
    const names = new Set(bindings.map(({ name }) => name));
    for (const name of Object.keys(op.buffers)) assert(names.has(name), `${op.label} has no binding ${name}`);
    const entries = bindings.map(({ name, binding, kind }) => {
      if (kind === 'uniform') return { binding, resource: { buffer: arena, offset: base, size: PARAMS_ALIGNMENT } };
      const slice = defined(op.buffers[name], `buffer ${name} of ${op.label}`);
      return { binding, resource: 'buffer' in slice ? slice : { buffer: slice } };
    });
    return this.#device.createBindGroup({ label: op.label, layout, entries });
  }
}
