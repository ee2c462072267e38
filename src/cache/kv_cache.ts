/**
 * The compressed KV cache: for each layer a pool of pages, and for all layers together the page table, the rings, the
 * live lengths and the tile lists. It plans memory ahead of the GPU by upper bounds; which slot a token takes is
 * decided on the GPU alone.
 */
import { type BufferPool, readBuffer, readParts } from '../gpu/buffers.ts';
import { withErrorScopes } from '../gpu/device.ts';
import { DeviceError } from '../gpu/errors.ts';
import { TILE_SLOTS } from '../kernels/attention.ts';
import { type KvFormat, type KvLayout, kvLayout, PAGE_SLOTS } from '../kernels/kv_layout.ts';
import { assert } from '../util/assert.ts';
import { type CacheState, packSlots, restride, unpackSlots } from './cache_state.ts';
import { CacheFullError } from './errors.ts';
import type { Occupancy, PolicyKind } from './occupancy.ts';
import { PageTable } from './page_table.ts';

/** Bytes of one element of the dense cache that `denseBytes` compares with. */
const DENSE_ELEMENT_BYTES = 2;

export interface KvCacheOptions {
  readonly device: GPUDevice;
  /** Buffers of this cache alone: their sum is `allocatedBytes`. */
  readonly buffers: BufferPool;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly format: KvFormat;
  readonly policy: PolicyKind;
  /** w; the ring has w + 1 entries. Under `dense` any value of at least 1 does, for no flag is ever set. */
  readonly window: number;
  /** Most tokens of a chat. */
  readonly context: number;
  /** Most rows of a prefill chunk. */
  readonly chunk: number;
  readonly budgetBytes: number;
}

export class KvCache {
  readonly layout: KvLayout;
  readonly ringSize: number;
  /** One page pool a layer; replaced by a larger one when it grows. */
  readonly pools: GPUBuffer[];
  readonly pageTable: GPUBuffer;
  /** u32 [layers * kvHeads, ringSize] of slot | flag << 31. */
  readonly ring: GPUBuffer;
  /** u32 [layers * kvHeads]. */
  readonly live: GPUBuffer;
  /** u32 [layers * kvHeads, droppedStride]: a bit for each token of the chat, set when the head gave up its slot. */
  readonly dropped: GPUBuffer;
  /** Words of a head in `dropped`. */
  readonly droppedStride: number;
  /** u32 [layers, kvHeads + 1]: tiles before each head, by the upper bounds. */
  readonly tiles: GPUBuffer;
  /** One chunk's keys and values, pages of head h from page h * stagePages on. */
  readonly staging: GPUBuffer;
  readonly stagePages: number;
  readonly #o: KvCacheOptions;
  readonly #table: PageTable;
  /** Live lengths as last read back, [layers * kvHeads]. */
  readonly #known: Uint32Array<ArrayBuffer>;
  /** Tokens sent to the GPU whose lengths have not come back yet. */
  #inFlight = 0;
  #tokensSeen = 0;
  readonly #tileCounts: Uint32Array<ArrayBuffer>;

  constructor(options: KvCacheOptions) {
    this.#o = options;
    const { buffers, layers, kvHeads, headDim, format, context, chunk, window } = options;
    this.layout = kvLayout(format, headDim);
    this.ringSize = window + 1;
    this.#table = new PageTable(layers, kvHeads, context);
    this.#known = new Uint32Array(layers * kvHeads);
    this.#tileCounts = new Uint32Array(layers * (kvHeads + 1));
    this.stagePages = Math.ceil(chunk / PAGE_SLOTS);
    this.pools = Array.from({ length: layers }, (_, layer) => buffers.storage(`kv pool ${layer}`, 16));
    this.pageTable = buffers.storage('page table', this.#table.entries.byteLength);
    this.ring = buffers.storage('ring', layers * kvHeads * this.ringSize * 4);
    this.live = buffers.storage('live', this.#known.byteLength);
    this.droppedStride = Math.ceil(context / 32);
    this.dropped = buffers.storage('dropped', layers * kvHeads * this.droppedStride * 4);
    this.tiles = buffers.storage('tiles', this.#tileCounts.byteLength);
    this.staging = buffers.storage('staging', kvHeads * this.stagePages * this.layout.pageWords * 4);
  }

  get tokensSeen(): number {
    return this.#tokensSeen;
  }

  get tableStride(): number {
    return this.#table.stride;
  }

  /** Most slots that a head may hold after what is under way and `tokens` more. */
  #bound(index: number, tokens: number): number {
    return Math.min(this.#known[index] + this.#inFlight + tokens, this.#o.context);
  }

  /**
   * Makes room for `tokens` more tokens on every head. Nothing changes when it throws.
   * @returns layers whose pool was replaced: their bind groups must be made anew
   * @throws CacheFullError
   */
  async reserve(tokens: number): Promise<readonly number[]> {
    const { layers, kvHeads } = this.#o;
    const growth: (readonly [number, number])[] = [];
    for (let layer = 0; layer < layers; layer++) {
      const need = this.#table.pagesNeeded(layer, (head) => this.#bound(layer * kvHeads + head, tokens));
      if (need > this.#table.capacity(layer)) growth.push([layer, need]);
    }
    if (growth.length > 0) await this.#grow(growth);
    for (let index = 0; index < layers * kvHeads; index++) {
      this.#table.resize(Math.floor(index / kvHeads), index % kvHeads, this.#bound(index, tokens));
    }
    return growth.map(([layer]) => layer);
  }

  /** True when `reserve(tokens)` would have to enlarge a pool by what is known now. */
  needsGrowth(tokens: number): boolean {
    const { layers, kvHeads } = this.#o;
    for (let layer = 0; layer < layers; layer++) {
      const need = this.#table.pagesNeeded(layer, (head) => this.#bound(layer * kvHeads + head, tokens));
      if (need > this.#table.capacity(layer)) return true;
    }
    return false;
  }

  /** Writes the page table and the tile lists for a run of `tokens` tokens, and counts them as under way. */
  submit(tokens: number): void {
    const { buffers, layers, kvHeads } = this.#o;
    const dirty = this.#table.takeDirty();
    if (dirty) {
      const [from, to] = dirty;
      buffers.write(this.pageTable, from * 4, this.#table.entries.subarray(from, to));
    }
    this.#inFlight += tokens;
    for (let layer = 0; layer < layers; layer++) {
      let count = 0;
      for (let head = 0; head < kvHeads; head++) {
        this.#tileCounts[layer * (kvHeads + 1) + head] = count;
        count += Math.ceil(this.#bound(layer * kvHeads + head, 0) / TILE_SLOTS);
      }
      this.#tileCounts[layer * (kvHeads + 1) + kvHeads] = count;
    }
    buffers.write(this.tiles, 0, this.#tileCounts);
  }

  /** Tiles of a layer, by the upper bounds of the last `submit`. */
  tileCount(layer: number): number {
    return this.#tileCounts[layer * (this.#o.kvHeads + 1) + this.#o.kvHeads];
  }

  /** Takes in the live lengths after a run of `tokens` tokens, of which `kept` were not halted. */
  settle(live: Uint32Array, tokens: number, kept: number): void {
    this.#known.set(live);
    this.#inFlight -= tokens;
    this.#tokensSeen += kept;
  }

  occupancy(): Occupancy {
    const { layers, kvHeads, headDim, policy, window, buffers } = this.#o;
    const heads = layers * kvHeads;
    const slots = this.#known.reduce((sum, length) => sum + length, 0);
    return {
      policy,
      layers,
      kvHeads,
      window: policy === 'dense' ? 0 : window,
      tokensSeen: this.#tokensSeen,
      live: this.#known.slice(),
      liveBytes: slots * this.layout.slotBytes,
      allocatedBytes: buffers.allocatedBytes,
      denseBytes: this.#tokensSeen * heads * 2 * headDim * DENSE_ELEMENT_BYTES,
      ratio: slots === 0 ? 1 : (this.#tokensSeen * heads) / slots,
    };
  }

  /** Forgets every token. The pools keep their size. */
  clear(): void {
    this.#known.fill(0);
    this.#inFlight = 0;
    this.#tokensSeen = 0;
    this.#table.clear();
    this.#o.buffers.write(this.live, 0, this.#known);
    this.#o.buffers.write(this.ring, 0, new Uint32Array(this.ring.size / 4));
    this.#o.buffers.write(this.dropped, 0, new Uint32Array(this.dropped.size / 4));
  }

  /** The record of dropped tokens: [layers * kvHeads, ceil(tokens / 32)]. Nothing may be under way. */
  async readDropped(): Promise<Uint32Array<ArrayBuffer>> {
    const words = new Uint32Array(await readBuffer(this.#o.device, this.dropped));
    return restride(words, this.droppedStride, Math.ceil(this.#tokensSeen / 32));
  }

  /** Reads the contents back, a layer at a time. Nothing may be under way. */
  async save(): Promise<CacheState> {
    assert(this.#inFlight === 0, 'a cache is saved between runs');
    const { device, layers, kvHeads } = this.#o;
    const live = this.#known.slice();
    const dropped = await this.readDropped();
    const ring = new Uint32Array(await readBuffer(device, this.ring));
    const slots: Uint32Array<ArrayBuffer>[] = [];
    const pageBytes = this.layout.pageWords * 4;
    for (let layer = 0; layer < layers; layer++) {
      const heads = live.subarray(layer * kvHeads, (layer + 1) * kvHeads);
      const pages = [...heads].flatMap((length, head) => [...this.#table.pagesOf(layer, head, length)]);
      const parts = pages.map((page) => [this.pools[layer], page * pageBytes, pageBytes] as const);
      slots.push(packSlots(this.layout, new Uint32Array(await readParts(device, parts)), heads));
    }
    const tokens = this.#tokensSeen;
    return { tokens, live, ring: restride(ring, this.ringSize, Math.min(tokens, this.ringSize)), dropped, slots };
  }

  /**
   * Puts saved contents in the place of the present ones. Nothing may be under way; nothing changes when it throws.
   * @returns layers whose pool was replaced: their bind groups must be made anew
   * @throws CacheFullError
   */
  async load(state: CacheState): Promise<readonly number[]> {
    assert(this.#inFlight === 0, 'a cache is loaded between runs');
    const { layers, kvHeads, context } = this.#o;
    if (state.tokens > context) {
      const fact = `The saved chat has ${state.tokens} tokens, and this one may hold ${context}.`;
      throw new CacheFullError('context', `${fact} Allow a longer context.`);
    }
    const pagesOf = (layer: number): number =>
      state.live
        .subarray(layer * kvHeads, (layer + 1) * kvHeads)
        .reduce((sum, length) => sum + Math.ceil(length / PAGE_SLOTS), 0);
    const growth = Array.from({ length: layers }, (_, layer) => [layer, pagesOf(layer)] as const).filter(
      ([layer, need]) => need > this.#table.capacity(layer),
    );
    if (growth.length > 0) await this.#grow(growth);
    this.clear();
    this.#known.set(state.live);
    this.#tokensSeen = state.tokens;
    this.#writeState(state);
    return growth.map(([layer]) => layer);
  }

  #writeState(state: CacheState): void {
    const { buffers, layers, kvHeads } = this.#o;
    const { pageWords } = this.layout;
    for (let layer = 0; layer < layers; layer++) {
      const live = state.live.subarray(layer * kvHeads, (layer + 1) * kvHeads);
      live.forEach((length, head) => {
        this.#table.resize(layer, head, length);
      });
      const pages = [...live].map((length, head) => this.#table.pagesOf(layer, head, length));
      const used = pages.reduce((most, list) => list.reduce((top, page) => Math.max(top, page + 1), most), 0);
      const image = new Uint32Array(used * pageWords);
      const place = (head: number, page: number): number => pages[head][page] * pageWords;
      unpackSlots(this.layout, { slots: state.slots[layer], live }, image, place);
      if (used > 0) buffers.write(this.pools[layer], 0, image);
    }
    buffers.write(this.live, 0, this.#known);
    const kept = Math.min(state.tokens, this.ringSize);
    if (kept > 0) buffers.write(this.ring, 0, restride(state.ring, kept, this.ringSize));
    const words = Math.ceil(state.tokens / 32);
    if (words > 0) buffers.write(this.dropped, 0, restride(state.dropped, words, this.droppedStride));
  }

  async #grow(growth: readonly (readonly [number, number])[]): Promise<void> {
    const { buffers, device, budgetBytes } = this.#o;
    const pageBytes = this.layout.pageWords * 4;
    const sizes = growth.map(([layer, need]) => {
      const slack = Math.ceil(this.#table.capacity(layer) / 8);
      return [layer, need, need + slack] as const;
    });
    const extra = (pick: 1 | 2): number =>
      sizes.reduce((sum, size) => sum + (size[pick] - this.#table.capacity(size[0])) * pageBytes, 0);
    const pick = buffers.allocatedBytes + extra(2) <= budgetBytes ? 2 : 1;
    if (buffers.allocatedBytes + extra(pick) > budgetBytes) {
      const message = `The memory budget of ${budgetBytes} bytes is full. Start a new chat, or allow more memory.`;
      throw new CacheFullError('budget', message);
    }
    const made: (readonly [number, GPUBuffer, number])[] = [];
    try {
      await withErrorScopes(device, 'the KV cache', () => {
        for (const size of sizes) {
          made.push([size[0], buffers.storage(`kv pool ${size[0]}`, size[pick] * pageBytes), size[pick]]);
        }
      });
    } catch (cause) {
      for (const [, pool] of made) buffers.destroy(pool);
      if (!(cause instanceof DeviceError)) throw cause;
      throw new CacheFullError('memory', `${cause.message} The chat so far is kept.`);
    }
    this.#replacePools(made);
  }

  /** Puts larger pools in the place of the old ones, with their contents. */
  #replacePools(made: readonly (readonly [number, GPUBuffer, number])[]): void {
    const { buffers, device } = this.#o;
    const encoder = device.createCommandEncoder({ label: 'grow kv pools' });
    for (const [layer, pool] of made) {
      const bytes = this.#table.capacity(layer) * this.layout.pageWords * 4;
      encoder.copyBufferToBuffer(this.pools[layer], 0, pool, 0, bytes);
    }
    device.queue.submit([encoder.finish()]);
    for (const [layer, pool, pages] of made) {
      buffers.destroy(this.pools[layer]);
      this.pools[layer] = pool;
      this.#table.grow(layer, pages);
    }
  }
}
