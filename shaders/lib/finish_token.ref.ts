/** Definition of the end of a step: what the choice of a token leaves in the buffers that the steps share. */

/** The buffers, changed in place; see finish_token.wgsl for their shapes. */
export interface TokenState {
  readonly tokens: Uint32Array;
  readonly state: Uint32Array;
  readonly stops: Uint32Array;
  readonly seen: Uint32Array;
  readonly result: Uint32Array;
}

/** Runs `choose` and notes its token, unless an earlier step has halted. */
export function finishTokenRef({ tokens, state, stops, seen, result }: TokenState, choose: () => number): void {
  if (state[0] !== 0) {
    result.set([0xffffffff, 1]);
    return;
  }
  const token = choose();
  tokens[0] = token;
  if (stops.subarray(1, 1 + stops[0]).includes(token)) state[0] = 1;
  state[1]++;
  seen[Math.floor(token / 32)] |= 2 ** (token % 32);
  result.set([token, state[0]]);
}
