/** Definition of `sample`: the random choice of the next token, by plain sorted definitions in double precision. */

export interface SampleFilters {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

const DOUBT = 3e-5;

/** A distribution after the filters. */
export interface FilteredRef {
  /** f64 [vocab], sums to 1; 0 where a token is filtered out. */
  readonly probabilities: Float64Array;
  /** Probability of the tokens whose fate is nearer to a threshold than DOUBT, relative to it: rounding may decide. */
  readonly doubt: number;
}

/**
 * Filters in Hugging Face's order: temperature, top-k (all ties kept), top-p (all ties kept), min-p.
 * @param logits [vocab], with the repetition penalty on them, of which one at least is finite
 */
export function filterRef(logits: Float32Array, { temperature, topK, topP, minP }: SampleFilters): FilteredRef {
  const largest = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (value) => Math.exp((value - largest) / temperature));
  const byLogit = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);

  // Runs of equal logits stand or fall together: the tokens before the run are those with a larger logit.
  const countAbove = new Uint32Array(logits.length);
  const massAbove = new Float64Array(logits.length);
  let mass = 0;
  byLogit.forEach((token, place) => {
    const previous = byLogit[place - 1];
    const tied = place > 0 && logits[previous] === logits[token];
    countAbove[token] = tied ? countAbove[previous] : place;
    massAbove[token] = tied ? massAbove[previous] : mass;
    mass += weights[token];
  });

  const inTopK = (token: number) => topK === 0 || countAbove[token] < topK;
  const total = weights.reduce((sum, weight, token) => (inTopK(token) ? sum + weight : sum), 0);
  let doubt = 0;
  const kept = weights.map((weight, token) => {
    if (!inTopK(token)) return 0;
    const byTopP = topP < 1 && massAbove[token] > 0 && Math.abs(massAbove[token] / total / topP - 1) < DOUBT;
    const byMinP = minP > 0 && Math.abs(weight / minP - 1) < DOUBT;
    if (byTopP || byMinP) doubt += weight;
    const inTopP = topP >= 1 || massAbove[token] === 0 || massAbove[token] < topP * total;
    return inTopP && weight >= minP ? weight : 0;
  });
  const keptTotal = kept.reduce((sum, weight) => sum + weight, 0);
  return { probabilities: kept.map((weight) => weight / keptTotal), doubt: doubt / keptTotal };
}

/** PCG's output function over one step of a 32-bit congruential generator (RXS-M-XS of O'Neill's PCG paper). */
function pcgHash(input: number): number {
  const state = (Math.imul(input, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** The random number in [0, 1) of a seed and a position, both u32; it has 24 bits. */
export function randomRef(seed: number, position: number): number {
  return Math.floor(pcgHash((seed + pcgHash(position)) >>> 0) / 256) / 2 ** 24;
}

/** The first token whose cumulative probability exceeds u; where rounding leaves none, the last that has one. */
export function drawRef(probabilities: Float64Array, u: number): number {
  let cumulative = 0;
  let last = 0;
  for (const [token, probability] of probabilities.entries()) {
    if (probability === 0) continue;
    cumulative += probability;
    last = token;
    if (cumulative > u) break;
  }
  return last;
}
