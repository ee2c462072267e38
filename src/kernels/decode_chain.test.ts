/**
 * The decode side of the cache as a chain, step after step on the GPU: evict, store_kv, attention, merge. Compared with
 * the masked attention of the paper in float64, which knows neither slots nor rings nor pages.
 */
import { describe, expect, test } from 'vitest';
import { readKvRef, writeKvRef } from '../../shaders/lib/kv.ref.ts';
import { Program } from '../gpu/program.ts';
import { createRng, normals } from '../util/rng.ts';
import { attention, TILE_SLOTS } from './attention.ts';
import { evict } from './evict.ts';
import { type KvFormat, kvLayout, PAGE_SLOTS } from './kv_layout.ts';
import { merge } from './merge.ts';
import { storeKv } from './store_kv.ts';
import { type DmsRule, flagOf, maskedAttention, randomBits } from './test_dms.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();

/** Storage rounding is applied to both sides, so what is left is the order of f32 sums. */
const TOLERANCE = 1e-4;
/** A wrong rule must be further off than this, or the tolerance would prove nothing. */
const MUTANT_ERROR = 1e-2;

interface Chain {
  readonly tokens: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly format: KvFormat;
  readonly rule: DmsRule;
}

/** Random projections and bits of a chat, [tokens, ..], rounded as the cache will store them. */
function chatOf({ tokens, kvHeads, group, headDim, format }: Chain) {
  const rng = createRng(tokens + headDim);
  const q = normals(rng, tokens * kvHeads * group * headDim, 2);
  const k = normals(rng, tokens * kvHeads * headDim);
  const v = normals(rng, tokens * kvHeads * headDim);
  const bits = randomBits(rng, tokens, kvHeads, 0.6);
  const page = new Uint32Array(kvLayout(format, headDim).pageWords);
  const stored = (x: Float32Array): Float32Array => {
    const y = new Float32Array(x.length);
    for (let first = 0; first < x.length; first += headDim) {
      const at = { page: 0, slot: 0, kind: 'key', format, headDim } as const;
      writeKvRef(page, at, x.subarray(first, first + headDim));
      y.set(readKvRef(page, at), first);
    }
    return y;
  };
  return { q, k, v, bits, seen: { q, k: stored(k), v: stored(v) } };
}

/** The page of each PAGE_SLOTS slots: pages of all heads in a random order. */
function shuffledPages(count: number): Uint32Array {
  const rng = createRng(count);
  const order = Array.from({ length: count }, (_, page) => ({ page, key: rng() }));
  return Uint32Array.from(order.sort((a, b) => a.key - b.key).map(({ page }) => page));
}

function buildChain(c: Chain, chat: ReturnType<typeof chatOf>) {
  const { tokens, kvHeads, group, headDim, format, rule } = c;
  const { window, shift, perHead } = rule;
  const layout = kvLayout(format, headDim);
  const [heads, tableStride] = [kvHeads * group, Math.ceil(tokens / PAGE_SLOTS)];
  const tileCount = kvHeads * Math.ceil(tokens / TILE_SLOTS);
  const b = {
    q: t.output(heads * headDim),
    k: t.output(kvHeads * headDim),
    v: t.output(kvHeads * headDim),
    alpha: t.input(chat.bits),
    state: t.input(new Uint32Array(2)),
    ring: t.output(kvHeads * (window + 1)),
    live: t.inout(new Uint32Array(kvHeads)),
    tiles: t.output(kvHeads + 1),
    slots: t.output(kvHeads),
    dropped: t.output(kvHeads * Math.ceil(tokens / 32)),
    pageTable: t.input(shuffledPages(kvHeads * tableStride)),
    pool: t.output(kvHeads * tableStride * layout.pageWords),
    partialOut: t.output(tileCount * group * headDim),
    partialMl: t.output(tileCount * group * 2),
    out: t.output(heads * headDim),
  };
  const bases = { alphaBase: 0, ringBase: 0, liveBase: 0, slotBase: 0, tileBase: 0, tableBase: 0, droppedBase: 0 };
  const sizes = { kvHeads, group, headDim, tableStride, rows: 1, vOffset: 0, vStride: kvHeads * headDim, layout };
  const droppedStride = Math.ceil(tokens / 32);
  const common = { ...b, ...bases, ...sizes, droppedStride, elem: 'f32' } as const;
  const program = new Program(t.gpu.device, 'decode chain');
  const choose = program.add(evict({ ...common, position: 0, ringSize: window + 1, shift, perHead: perHead ? 1 : 0 }));
  program.add(storeKv({ ...common, mode: 'paged' }));
  const attend = program.add(attention(common));
  program.add(merge({ ...common, out: { form: 'float', data: b.out } }));
  return { b, program, choose, attend };
}

/** Decodes all tokens and returns the attention outputs [tokens, heads * headDim] and the live lengths. */
async function decode(c: Chain, chat: ReturnType<typeof chatOf>) {
  const { tokens, kvHeads, group, headDim } = c;
  const { b, program, choose, attend } = buildChain(c, chat);
  await program.build(t.gpu.pipelines);
  const { device } = t.gpu;
  const [keyBytes, queryBytes] = [kvHeads * headDim * 4, kvHeads * group * headDim * 4];
  const [q, k, v] = [t.input(chat.q), t.input(chat.k), t.input(chat.v)];
  const outputs = t.output((tokens * queryBytes) / 4);
  for (let n = 0; n < tokens; n++) {
    choose.set({ position: n, alpha_base: n * kvHeads });
    // What the worker knows: no head has more slots than there were tokens.
    const bound = Math.ceil((n + 1) / TILE_SLOTS);
    t.buffers.write(
      b.tiles,
      0,
      Uint32Array.from({ length: kvHeads + 1 }, (_, head) => head * bound),
    );
    attend.workgroups = [kvHeads * bound, 1, 1];
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(q, n * queryBytes, b.q, 0, queryBytes);
    encoder.copyBufferToBuffer(k, n * keyBytes, b.k, 0, keyBytes);
    encoder.copyBufferToBuffer(v, n * keyBytes, b.v, 0, keyBytes);
    program.encode(encoder);
    encoder.copyBufferToBuffer(b.out, 0, outputs, n * queryBytes, queryBytes);
    device.queue.submit([encoder.finish()]);
  }
  const [out, live] = [await t.readF32(outputs), await t.readU32(b.live)];
  for (const buffer of [b.pool, b.partialOut, b.partialMl]) await t.readU32(buffer);
  program.destroy();
  return { out, live };
}

function liveOf({ tokens, kvHeads, rule }: Chain, bits: Uint32Array): number[] {
  const flag = flagOf(bits, kvHeads, tokens, rule);
  return Array.from({ length: kvHeads }, (_, head) => {
    let live = tokens;
    for (let j = 0; j <= tokens - 2 - rule.window; j++) live -= flag(j, head);
    return live;
  });
}

/**
 * SwiftShader, the adapter without f16, takes some ten times as long: there the chats are shorter. Every case has the
 * same group, because each size of group is a pipeline of its own, and seconds of compiling.
 */
const LONG = t.gpu.f16;
const CASES = [
  { window: 1, tokens: LONG ? 150 : 70, headDim: 64, format: 'f32' },
  { window: 16, tokens: LONG ? 321 : 100, headDim: 64, format: 'f32' },
  { window: 64, tokens: LONG ? 700 : 131, headDim: 64, format: 'f32' },
  { window: 16, tokens: LONG ? 150 : 70, headDim: 80, format: 'f16' },
  { window: 16, tokens: LONG ? 150 : 70, headDim: 128, format: 'int8' },
].flatMap((c) => [0, 1].map((shift) => ({ ...c, shift }) as typeof c & { format: KvFormat; shift: 0 | 1 }));

describe('the decode chain', () => {
  test.each(CASES)('w $window, shift $shift, $tokens tokens, $headDim $format', async (one) => {
    const { window, shift, tokens, headDim, format } = one;
    const rule = { window, shift, perHead: true };
    const c = { tokens, kvHeads: 3, group: 3, headDim, format, rule };
    const chat = chatOf(c);
    const { out, live } = await decode(c, chat);
    expect([...live]).toEqual(liveOf(c, chat.bits));
    expect(maxRelativeError(out, maskedAttention(chat.seen, c, chat.bits, rule))).toBeLessThan(TOLERANCE);
  });

  test('one bit for all heads of the layer', async () => {
    const rule = { window: 4, shift: 1, perHead: false } as const;
    const c = { tokens: 70, kvHeads: 3, group: 3, headDim: 64, format: 'f32', rule } as const;
    const chat = chatOf(c);
    const { out, live } = await decode(c, chat);
    expect([...live]).toEqual(liveOf(c, chat.bits));
    expect(maxRelativeError(out, maskedAttention(chat.seen, c, chat.bits, rule))).toBeLessThan(TOLERANCE);
  });

  test.each([
    { mutant: 'no shift', wrong: { window: 16, shift: 0 } },
    { mutant: 'w + 1', wrong: { window: 17, shift: 1 } },
    { mutant: 'w - 1', wrong: { window: 15, shift: 1 } },
  ] as const)('the mutant "$mutant" is seen', async ({ wrong }) => {
    const rule = { window: 16, shift: 1, perHead: true } as const;
    const c = { tokens: 70, kvHeads: 2, group: 3, headDim: 64, format: 'f32', rule } as const;
    const chat = chatOf(c);
    const { out } = await decode({ ...c, rule: { ...wrong, perHead: true } }, chat);
    expect(maxRelativeError(out, maskedAttention(chat.seen, c, chat.bits, rule))).toBeGreaterThan(MUTANT_ERROR);
  });
});
