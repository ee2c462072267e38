import { expect, it } from 'vitest';
import { packF16 } from '../util/f16.ts';
import { createRng, normals } from '../util/rng.ts';
import { addLowRank, lowRankUpdates, packMerged, readUpdate } from './low_rank.ts';
import { packWeight } from './pack.ts';
import { quantiseW8 } from './quantise.ts';
import { openSafetensors, type TensorData, writeSafetensors } from './safetensors.ts';
import { memorySource } from './sources.ts';
import type { Checkpoint, TensorInfo, TensorType } from './tensor.ts';

const Q = 'model.layers.0.self_attn.q_proj';
const DOWN = 'model.layers.0.mlp.down_proj';
const GATE = 'model.layers.0.self_attn.dms_proj_alpha';
const METADATA = { lora_rank: '3', lora_alpha: '6' };

/** Zeros of a shape. */
function zeros(...shape: readonly number[]): TensorData {
  return { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) };
}

function open(tensors: Readonly<Record<string, TensorData>>, metadata = {}): Promise<Checkpoint> {
  return openSafetensors(memorySource('side', writeSafetensors(tensors, metadata)));
}

const base = await open({ [`${Q}.weight`]: zeros(5, 32), [`${DOWN}.weight`]: zeros(32, 64) });
const good = { [`${Q}.lora_A.weight`]: zeros(3, 32), [`${Q}.lora_B.weight`]: zeros(5, 3) };

it('finds updates with and without the prefix, and leaves adapters alone', async () => {
  const tensors = {
    ...good,
    [`base_model.model.${DOWN}.lora_A.weight`]: zeros(3, 64),
    [`base_model.model.${DOWN}.lora_B.weight`]: zeros(32, 3),
    ...{ [`${GATE}.weight`]: zeros(1, 32), [`${GATE}_norm.weight`]: zeros(32), [`${GATE}.bias`]: zeros(1) },
  };
  const updates = lowRankUpdates(await open(tensors, METADATA), base);
  expect(updates).toMatchObject({ rank: 3, gain: 2 });
  expect([...(updates?.byWeight.keys() ?? [])].sort()).toEqual([`${DOWN}.weight`, `${Q}.weight`]);
  expect(lowRankUpdates(await open({ [`${GATE}.weight`]: zeros(1, 32) }), base)).toBeNull();
});

const REFUSED: readonly (readonly [string, Record<string, TensorData>, Record<string, string>, RegExp])[] = [
  ['A without B', { [`${Q}.lora_A.weight`]: zeros(3, 32) }, METADATA, /q_proj\.lora_A\.weight: .*lora_B is missing/],
  ['B without A', { [`${Q}.lora_B.weight`]: zeros(5, 3) }, METADATA, /q_proj\.lora_B\.weight: .*lora_A is missing/],
  ['no rank', good, { lora_alpha: '6' }, /side: lora_rank: .*found nothing/],
  ['no alpha', good, { lora_rank: '3' }, /side: lora_alpha: .*found nothing/],
  ['a rank that is no number', good, { ...METADATA, lora_rank: 'all' }, /side: lora_rank: .*found "all"/],
  ['a rank that is no whole number', good, { ...METADATA, lora_rank: '2.5' }, /lora_rank: .*whole number/],
  ['a rank of 0', good, { ...METADATA, lora_rank: '0' }, /lora_rank: .*rank is 0/],
  ['another rank', good, { ...METADATA, lora_rank: '4' }, /lora_A.*\[3, 32\]; the model and lora_rank want \[4, 32\]/],
  ['another width', { ...good, [`${Q}.lora_A.weight`]: zeros(3, 64) }, METADATA, /\[3, 64\].* want \[3, 32\]/],
  ['another height', { ...good, [`${Q}.lora_B.weight`]: zeros(6, 3) }, METADATA, /\[6, 3\].* want \[5, 3\]/],
  ['A turned over', { ...good, [`${Q}.lora_A.weight`]: zeros(32, 3) }, METADATA, /\[32, 3\].* want \[3, 32\]/],
  [
    'a type that is no float',
    { ...good, [`${Q}.lora_A.weight`]: { shape: [3, 32], data: new Int32Array(96) } },
    METADATA,
    /F32, F16, BF16, not I32/,
  ],
  [
    'an update of a layer that the model lacks',
    { 'model.layers.7.self_attn.q_proj.lora_A.weight': zeros(3, 32) },
    METADATA,
    /no projection model\.layers\.7\.self_attn\.q_proj/,
  ],
  ['an update of no projection', { 'lm_head.lora_A.weight': zeros(3, 32) }, METADATA, /no projection lm_head/],
  [
    'an update twice',
    { ...good, [`base_model.model.${Q}.lora_A.weight`]: zeros(3, 32) },
    METADATA,
    /twice, with and without a prefix/,
  ],
  ['a tensor that is neither', { ...good, stray: zeros(1) }, METADATA, /tensor stray: it is neither an eviction/],
  ['an adapter of a layer that the model lacks', { [`${GATE.replace('0', '9')}.weight`]: zeros(1) }, {}, /layers\.9/],
];
it.each(REFUSED)('refuses %s', async (_, tensors, metadata, message) => {
  const sidecar = await open(tensors, metadata);
  expect(() => lowRankUpdates(sidecar, base)).toThrow(message);
  expect(() => lowRankUpdates(sidecar, base)).toThrow(expect.objectContaining({ name: 'FormatError' }));
});

it('reads halves, refuses what is not finite, and knows no update of other weights', async () => {
  const data = Float32Array.from({ length: 96 }, (_, i) => i / 4);
  const halves = new Uint8Array(packF16(data).buffer);
  const info: TensorInfo = { name: 'a', type: 'F16', shape: [3, 32], offset: 0, byteLength: 192 };
  const b: TensorInfo = { name: 'b', type: 'F32', shape: [5, 3], offset: 0, byteLength: 60 };
  const b1 = new Float32Array(15);
  const read = async (name: string) => (name === 'a' ? halves : new Uint8Array(b1.buffer));
  const readRange = () => Promise.reject(new Error('nobody asks for a range'));
  const file = { name: 'side', format: 'safetensors', metadata: {}, tensors: new Map() } as const;
  const sidecar: Checkpoint = { ...file, read, readRange };
  const updates = { rank: 3, gain: 2, byWeight: new Map([[`${Q}.weight`, { a: info, b }]]) };
  expect((await readUpdate(sidecar, updates, `${Q}.weight`))?.a).toEqual(data);
  expect(await readUpdate(sidecar, updates, `${DOWN}.weight`)).toBeNull();
  b1[3] = Number.NaN;
  await expect(readUpdate(sidecar, updates, `${Q}.weight`)).rejects.toThrow('side: tensor b: it holds a value');
});

/** W + gain * B A, written from the formula. */
function mergedByFormula(
  weight: Float32Array,
  update: { a: Float32Array; b: Float32Array },
  rank: number,
  gain: number,
) {
  const cols = update.a.length / rank;
  return weight.map((value, i) => {
    const [row, col] = [Math.floor(i / cols), i % cols];
    let sum = value;
    for (let k = 0; k < rank; k++) sum += gain * update.b[row * rank + k] * update.a[k * cols + col];
    return sum;
  });
}

it.each([
  [1, 1, 4],
  [2, 3, 32],
  [5, 4, 64],
  [6, 7, 36],
  [33, 16, 96],
])('adds to [%d rows] at rank %d and %d columns', (rows, rank, cols) => {
  const rng = createRng(rows);
  const weight = normals(rng, rows * cols);
  const update = { a: normals(rng, rank * cols), b: normals(rng, rows * rank) };
  const want = mergedByFormula(weight, update, rank, 1.5);
  addLowRank(weight, { ...update, rank, gain: 1.5 });
  const worst = weight.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i])), 0);
  // Sums in doubles differ at most where they round to another f32.
  expect(worst).toBeLessThan(1e-6);
});

it('packs the sum in 8 bits, or as it is', () => {
  const rng = createRng(3);
  const weight = normals(rng, 5 * 64);
  const update = { a: normals(rng, 2 * 64), b: normals(rng, 5 * 2), rank: 2, gain: 0.5 };
  const info: TensorInfo = { name: 'w', type: 'F32', shape: [5, 64], offset: 0, byteLength: weight.byteLength };
  const bytes = new Uint8Array(weight.slice().buffer);
  const sum = weight.slice();
  addLowRank(sum, update);
  const f32 = packMerged({ info, bytes, update, target: 'f32' });
  expect(new Float32Array(f32.codes.buffer)).toEqual(sum);
  expect(packMerged({ info, bytes, update, target: 'native' })).toEqual(quantiseW8(sum, 64, 'w'));
  expect(packMerged({ info, bytes, update: null, target: 'f32' })).toEqual(packWeight(info, bytes, 'f32'));
  expect(packMerged({ info, bytes, update: null, target: 'native' })).toEqual(quantiseW8(weight, 64, 'w'));
});

it('brings other types to 8 bits beside a merged weight, and keeps Q8_0 as it is', () => {
  const of = (type: TensorType, byteLength: number) => {
    const info: TensorInfo = { name: 'w', type, shape: [2, 32], offset: 0, byteLength };
    const bytes = Uint8Array.from({ length: byteLength }, (_, i) => (i * 37) & 0xbf);
    return { info, bytes, update: null, target: 'native' } as const;
  };
  expect(packMerged(of('Q4_0', 36)).format).toBe('w8');
  const q8 = of('Q8_0', 68);
  expect(packMerged(q8)).toEqual(packWeight(q8.info, q8.bytes, 'native'));
});
