/** Definition of the int8 quantisation of activations: groups of 32, scale = max|x| / 127, ties to even. */

const GROUP = 32;

/** Codes [length] and (scale, scale * sum of codes) for each group [length / 32, 2]. */
export interface QuantisedRef {
  readonly codes: Int8Array;
  readonly scales: Float32Array;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Quantises a tensor whose rows are whole numbers of groups. */
export function quantiseRef(x: Float32Array): QuantisedRef {
  const codes = new Int8Array(x.length);
  const scales = new Float32Array((x.length / GROUP) * 2);
  for (let group = 0; group < x.length / GROUP; group++) {
    const values = x.subarray(group * GROUP, (group + 1) * GROUP);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = Math.fround(largest / 127);
    let sum = 0;
    values.forEach((value, i) => {
      const code = largest > 0 ? roundHalfEven(value * (127 / largest)) : 0;
      codes[group * GROUP + i] = code;
      sum += code;
    });
    scales[group * 2] = scale;
    scales[group * 2 + 1] = scale * sum;
  }
  return { codes, scales };
}

/** The numbers that codes and scales stand for. */
export function dequantiseRef({ codes, scales }: QuantisedRef): Float32Array {
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / GROUP) * 2]);
}
