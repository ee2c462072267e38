/** Definition of `evict`: the ring decode of one token on each KV head of a layer. */

/** The state of a layer: for each head a ring of (slot, flag) and the number of slots in use. */
export interface EvictStateRef {
  readonly rings: readonly { slot: number; flag: boolean }[][];
  readonly live: number[];
  /** For each head the tokens whose slots were taken. */
  readonly dropped: Set<number>[];
}

/**
 * Takes in token n and returns its slot on each head. Changes `state`.
 * @param token.bits the token's bit on each head
 * @param token.shift 1: the bit is about the token before; 0: about the token itself
 */
export function evictRef(
  state: EvictStateRef,
  token: { readonly n: number; readonly bits: readonly boolean[]; readonly shift: 0 | 1 },
): number[] {
  const { n, bits, shift } = token;
  return state.rings.map((ring, head) => {
    const size = ring.length;
    const entry = ring[n % size];
    const evicts = n >= size && entry.flag;
    const slot = evicts ? entry.slot : state.live[head];
    if (evicts) state.dropped[head].add(n - size);
    else state.live[head] += 1;
    if (shift === 1 && n > 0) ring[(n - 1) % size].flag = bits[head];
    ring[n % size] = { slot, flag: shift === 0 && bits[head] };
    return slot;
  });
}
