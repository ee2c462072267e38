/**
 * Hands out the pages of the pools, on the host: which page of its layer's pool holds which slots of a head. It knows
 * upper bounds of the live lengths, learns the true ones some steps late and takes back what was given in excess.
 */
import { PAGE_SLOTS } from '../kernels/kv_layout.ts';
import { assert } from '../util/assert.ts';

const NO_PAGE = 0;

export class PageTable {
  /** [layers * kvHeads, stride] page numbers; what the GPU's copy is written from. */
  readonly entries: Uint32Array;
  /** Pages that a head may have. */
  readonly stride: number;
  readonly #kvHeads: number;
  /** Pages given to each head, [layers * kvHeads]. */
  readonly #counts: Uint32Array;
  /** For each layer the pages that no head has. */
  readonly #free: number[][];
  /** Pages that each layer's pool has. */
  readonly #capacity: Uint32Array;
  #dirtyFrom = Number.POSITIVE_INFINITY;
  #dirtyTo = 0;

  constructor(layers: number, kvHeads: number, maxSlots: number) {
    this.stride = Math.ceil(maxSlots / PAGE_SLOTS);
    this.#kvHeads = kvHeads;
    this.entries = new Uint32Array(layers * kvHeads * this.stride);
    this.#counts = new Uint32Array(layers * kvHeads);
    this.#free = Array.from({ length: layers }, () => []);
    this.#capacity = new Uint32Array(layers);
  }

  /** Pages that the layer's pool must have before each head `h` of it can hold `slots[h]` slots. */
  pagesNeeded(layer: number, slots: (head: number) => number): number {
    let missing = 0;
    for (let head = 0; head < this.#kvHeads; head++) {
      const index = layer * this.#kvHeads + head;
      missing += Math.max(0, Math.ceil(slots(head) / PAGE_SLOTS) - this.#counts[index]);
    }
    return this.#capacity[layer] + Math.max(0, missing - this.#free[layer].length);
  }

  capacity(layer: number): number {
    return this.#capacity[layer];
  }

  /** Tells that the layer's pool now has `pages` pages. */
  grow(layer: number, pages: number): void {
    for (let page = pages - 1; page >= this.#capacity[layer]; page--) this.#free[layer].push(page);
    this.#capacity[layer] = pages;
  }

  /** Gives the head pages for `slots` slots, or takes back those that it has beyond them. */
  resize(layer: number, head: number, slots: number): void {
    const index = layer * this.#kvHeads + head;
    const want = Math.ceil(slots / PAGE_SLOTS);
    assert(want <= this.stride, `${slots} slots are more than a head may hold`);
    while (this.#counts[index] > want) {
      this.#counts[index]--;
      this.#free[layer].push(this.entries[index * this.stride + this.#counts[index]]);
    }
    while (this.#counts[index] < want) {
      const page = this.#free[layer].pop();
      assert(page !== undefined, `layer ${layer} has no free page`);
      const at = index * this.stride + this.#counts[index];
      this.entries[at] = page;
      this.#counts[index]++;
      this.#dirtyFrom = Math.min(this.#dirtyFrom, at);
      this.#dirtyTo = Math.max(this.#dirtyTo, at + 1);
    }
  }

  /** The pages of a head's first `slots` slots, in order. */
  pagesOf(layer: number, head: number, slots: number): Uint32Array {
    const first = (layer * this.#kvHeads + head) * this.stride;
    return this.entries.subarray(first, first + Math.ceil(slots / PAGE_SLOTS));
  }

  /** The entries changed since the last call as [from, to), or null. */
  takeDirty(): readonly [number, number] | null {
    if (this.#dirtyFrom >= this.#dirtyTo) return null;
    const range = [this.#dirtyFrom, this.#dirtyTo] as const;
    this.#dirtyFrom = Number.POSITIVE_INFINITY;
    this.#dirtyTo = 0;
    return range;
  }

  /** Takes every page back; the pools keep their size. */
  clear(): void {
    this.#counts.fill(0);
    this.entries.fill(NO_PAGE);
    this.#capacity.forEach((pages, layer) => {
      this.#free[layer] = Array.from({ length: pages }, (_, i) => pages - 1 - i);
    });
  }
}
