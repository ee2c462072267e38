/** A small seeded generator for tests, benchmarks and default sampling seeds. Not for secrets. */

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function createRng(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `length` numbers of a normal distribution with mean 0 and the given deviation. */
export function normals(rng: () => number, length: number, deviation = 1): Float32Array {
  return Float32Array.from({ length }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - rng()));
    return deviation * radius * Math.cos(2 * Math.PI * rng());
  });
}
