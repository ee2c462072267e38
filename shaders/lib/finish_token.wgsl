// Ends the choice of a token: leaves it where the next step reads it, and raises the halt flag after a stop token.
// tokens  [>= 1] u32: tokens[0] = the chosen id
// state   [4] u32: state[0] halt flag, state[1] count of tokens chosen
// stops   [1 + count] u32: the count, then the ids that halt
// seen    [ceil(vocab / 32)] u32: a bit for each token of the context
// result  [2] u32: (token, halted), or (HALTED, 1) from a step after the halt, which changes nothing else

@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
@group(0) @binding(4) var<storage, read> stops: array<u32>;
@group(0) @binding(5) var<storage, read_write> seen: array<u32>;
@group(0) @binding(6) var<storage, read_write> result: array<u32>;

const HALTED = 0xffffffffu;

var<workgroup> sh_halted: u32;

// True in a halted step, whose result it writes. Called by all invocations; the answer is uniform.
fn is_halted(local_index: u32) -> bool {
  if (local_index == 0u) {
    sh_halted = state[0];
  }
  let halted = workgroupUniformLoad(&sh_halted) != 0u;
  if (halted && local_index == 0u) {
    result[0] = HALTED;
    result[1] = 1u;
  }
  return halted;
}

// Called by one invocation, after every invocation has read `seen`.
fn finish_token(token: u32) {
  var halted = 0u;
  for (var i = 0u; i < stops[0]; i++) {
    halted |= u32(stops[1u + i] == token);
  }
  tokens[0] = token;
  state[0] = halted;
  state[1] += 1u;
  seen[token / 32u] |= 1u << (token & 31u);
  result[0] = token;
  result[1] = halted;
}
