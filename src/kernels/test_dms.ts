/**
 * What the tests of the cache kernels compare with: the token-by-token cache and the masked attention, both written
 * from
 * the formulas and in float64. No test data and no GPU here.
 */

/** The rule of a cache: who is flagged, and for how long a flagged token stays. */
export interface DmsRule {
  /** A flagged token is visible to itself and the next `window` queries. */
  readonly window: number;
  /** 1: the bit computed at token t + 1 is about token t. 0: about token t itself. */
  readonly shift: 0 | 1;
  /** False: all heads follow head 0's bits. */
  readonly perHead: boolean;
}

/** The state of one layer's heads after some tokens. */
export interface DmsState {
  /** [kvHeads, window + 1] slot | flag << 31. */
  readonly ring: Uint32Array;
  /** [kvHeads] slots in use. */
  readonly live: Uint32Array;
  /** For each head the position of the token in each slot. */
  readonly positions: number[][];
}

/**
 * Pushes `tokens` tokens one by one.
 * @param bits [tokens or more, kvHeads]
 */
export function pushTokens(bits: Uint32Array, kvHeads: number, tokens: number, rule: DmsRule): DmsState {
  const size = rule.window + 1;
  const ring = new Uint32Array(kvHeads * size);
  const positions = Array.from({ length: kvHeads }, (_, head) => {
    const slots: number[] = [];
    const entries = Array.from({ length: size }, () => ({ slot: 0, flag: 0 }));
    for (let n = 0; n < tokens; n++) {
      const bit = bits[n * kvHeads + (rule.perHead ? head : 0)];
      const leaving = entries[n % size];
      const slot = leaving.flag === 1 ? leaving.slot : slots.length;
      if (rule.shift === 1 && n > 0) entries[(n - 1) % size].flag = bit;
      entries[n % size] = { slot, flag: rule.shift === 0 ? bit : 0 };
      slots[slot] = n;
    }
    entries.forEach(({ slot, flag }, i) => {
      ring[head * size + i] = slot + flag * 2 ** 31;
    });
    return slots;
  });
  return { ring, live: Uint32Array.from(positions, (slots) => slots.length), positions };
}

/** True when query i may attend key j, by the formula of the paper. */
export function mayAttend(i: number, j: number, flag: number, window: number): boolean {
  return j <= i && !(flag === 1 && i - j > window);
}

/** The flag of token j of a head; 0 while its bit has not been computed. */
export function flagOf(bits: Uint32Array, kvHeads: number, tokens: number, rule: DmsRule) {
  return (j: number, head: number): number =>
    j + rule.shift < tokens ? bits[(j + rule.shift) * kvHeads + (rule.perHead ? head : 0)] : 0;
}

/** For each head the tokens whose bit is set in a record of `dropped` tokens; no other word may be set. */
export function tokensOf(
  words: Uint32Array,
  at: { readonly base: number; readonly stride: number; readonly heads: number },
): number[][] {
  const lists = Array.from({ length: at.heads }, (): number[] => []);
  for (let bit = 0; bit < words.length * 32; bit++) {
    if (((words[bit >> 5] >>> (bit & 31)) & 1) === 0) continue;
    const head = Math.floor((bit / 32 - at.base) / at.stride);
    lists[head].push(bit - (at.base + head * at.stride) * 32);
  }
  return lists;
}

/** Sizes of an attention. */
export interface AttentionShape {
  readonly tokens: number;
  readonly kvHeads: number;
  /** Query heads of one KV head. */
  readonly group: number;
  readonly headDim: number;
}

/**
 * Attention of all tokens under the DMS mask, in float64.
 * @param qkv.q [tokens, kvHeads * group, headDim], qkv.k and qkv.v [tokens, kvHeads, headDim]
 * @returns [tokens, kvHeads * group, headDim]
 */
export function maskedAttention(
  qkv: { readonly q: Float32Array; readonly k: Float32Array; readonly v: Float32Array },
  shape: AttentionShape,
  bits: Uint32Array,
  rule: DmsRule,
): Float64Array {
  const { tokens, kvHeads, group, headDim } = shape;
  const queryHeads = kvHeads * group;
  const out = new Float64Array(tokens * queryHeads * headDim);
  const flag = flagOf(bits, kvHeads, tokens, rule);
  const scores = new Float64Array(tokens);
  for (let i = 0; i < tokens; i++) {
    for (let h = 0; h < queryHeads; h++) {
      const g = Math.floor(h / group);
      const query = (i * queryHeads + h) * headDim;
      let most = Number.NEGATIVE_INFINITY;
      for (let j = 0; j <= i; j++) {
        scores[j] = Number.NEGATIVE_INFINITY;
        if (!mayAttend(i, j, flag(j, g), rule.window)) continue;
        let dot = 0;
        const key = (j * kvHeads + g) * headDim;
        for (let d = 0; d < headDim; d++) dot += qkv.q[query + d] * qkv.k[key + d];
        scores[j] = dot / Math.sqrt(headDim);
        if (scores[j] > most) most = scores[j];
      }
      let sum = 0;
      for (let j = 0; j <= i; j++) {
        const weight = Math.exp(scores[j] - most);
        sum += weight;
        if (weight === 0) continue;
        const value = (j * kvHeads + g) * headDim;
        for (let d = 0; d < headDim; d++) out[query + d] += weight * qkv.v[value + d];
      }
      for (let d = 0; d < headDim; d++) out[query + d] /= sum;
    }
  }
  return out;
}

/** Random bits, 1 with the given share, [tokens, kvHeads]; the last head flags nothing and the first nearly all. */
export function randomBits(rng: () => number, tokens: number, kvHeads: number, share: number): Uint32Array {
  return Uint32Array.from({ length: tokens * kvHeads }, (_, i) => {
    const head = i % kvHeads;
    if (kvHeads > 1 && head === kvHeads - 1) return 0;
    return rng() < (head === 0 ? 0.95 : share) ? 1 : 0;
  });
}
