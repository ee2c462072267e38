import { describe, expect, test } from 'vitest';
import { writeKvRef } from '../../shaders/lib/kv.ref.ts';
import { dequantiseRef } from '../../shaders/lib/quantise.ref.ts';
import { prefillAttentionRef } from '../../shaders/prefill_attention.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { kvLayout } from './kv_layout.ts';
import {
  type PrefillAttentionVariant,
  prefillAttention,
  prefillAttentionKernel,
  suitsSubgroupForm,
} from './prefill_attention.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const [KV_HEADS, TABLE_STRIDE, STAGE_PAGES] = [2, 4, 2];
const UNLIMITED = 0xffffffff;

/** First chunk of all, one row over one slot, tiles and pages crossed, rows past two workgroups, more than a page. */
const CASES = [
  { position: 0, rows: 1, group: 1, live: [0, 0] },
  { position: 9, rows: 1, group: 4, live: [1, 9] },
  { position: 200, rows: 11, group: 3, live: [32, 65] },
  { position: 130, rows: 43, group: 3, live: [100, 17] },
];
const TOLERANCE = { f32: 2e-5, f16: 4e-3 };
/** Half a step of the coarsest group, against the rms of the outputs. */
const INT8_TOLERANCE = 4e-2;

/**
 * Both CPU adapters take seconds to compile a form, so each form runs on one of them: those for f16 and for subgroups
 * of eight on llvmpipe, which alone has them, and the others on SwiftShader.
 */
function runsHere(variant: PrefillAttentionVariant): boolean {
  const { subgroupMinSize } = t.gpu.device.adapterInfo;
  if (!runsOn(variant, t.gpu) || (variant.subgroups && subgroupMinSize < 8)) return false;
  return !suitsSubgroupForm(t.gpu, 64) || variant.elem === 'f16' || variant.subgroups;
}

function randomPages(variant: PrefillAttentionVariant, pages: number, rng: () => number): Uint32Array {
  const { format, headDim } = variant;
  const pool = new Uint32Array(pages * kvLayout(format, headDim).pageWords);
  for (let page = 0; page < pages; page++) {
    for (let slot = 0; slot < 32; slot++) {
      for (const kind of ['key', 'value'] as const) {
        writeKvRef(pool, { page, slot, format, headDim, kind }, normals(rng, headDim, kind === 'key' ? 1.5 : 1));
      }
    }
  }
  return pool;
}

/** Buffers of one case; in every third slot and row, and in the whole first tile of head 1, few queries see the key. */
function inputsOf(variant: PrefillAttentionVariant, sizes: (typeof CASES)[number]) {
  const { headDim } = variant;
  const { position, rows, group, live } = sizes;
  const rng = createRng(rows * 31 + headDim);
  const untilStride = Math.max(...live) + rows + 2;
  const until = new Uint32Array(KV_HEADS * untilStride).fill(UNLIMITED);
  live.forEach((slots, head) => {
    for (let index = 0; index < slots + rows; index++) {
      const row = index - slots;
      const at = head * untilStride + index;
      if (row >= 0 && row % 3 === 1) until[at] = position + row + 5;
      if (row < 0 && index % 3 === 1) until[at] = position + Math.floor(rng() * rows);
      if (row < 0 && head === 1 && index < 32) until[at] = position - 1;
    }
  });
  const pages = Array.from({ length: KV_HEADS * TABLE_STRIDE }, (_, i) => (i * 5 + 3) % (KV_HEADS * TABLE_STRIDE));
  return {
    q: normals(rng, rows * KV_HEADS * group * headDim, 1.5),
    pool: randomPages(variant, KV_HEADS * TABLE_STRIDE, rng),
    stage: randomPages(variant, KV_HEADS * STAGE_PAGES, rng),
    pageTable: Uint32Array.from(pages),
    until,
    live: Uint32Array.from(live),
    untilStride,
  };
}

async function check(variant: PrefillAttentionVariant, sizes: (typeof CASES)[number]): Promise<void> {
  const { form, elem, format, headDim, subgroups } = variant;
  const { position, rows, group } = sizes;
  const input = inputsOf(variant, sizes);
  const q = t.activations(input.q, elem);
  const length = input.q.length;
  const { untilStride } = input;
  const strides = { stagePages: STAGE_PAGES, tableStride: TABLE_STRIDE, untilStride };
  const want = prefillAttentionRef(
    { ...input, q: await t.readActivations(q, elem, length) },
    { position, rows, group, headDim, format, ...strides },
  );
  const out =
    form === 'float'
      ? { form, data: t.output(t.words(elem, length)) }
      : { form, codes: t.output(length / 4), scales: t.output(length / 16) };
  await t.run(
    prefillAttention({
      ...{ q, pool: t.input(input.pool), staging: t.input(input.stage), until: t.input(input.until), out },
      pageTable: t.input(Uint32Array.from([7, 7, 7, ...input.pageTable])),
      live: t.input(Uint32Array.from([99, ...input.live])),
      ...{ position, rows, kvHeads: KV_HEADS, group, headDim, layout: kvLayout(format, headDim), elem, subgroups },
      ...{ ...strides, tableBase: 3, liveBase: 1 },
    }),
  );
  if (out.form === 'float') {
    expect(maxRelativeError(await t.readActivations(out.data, elem, length), want)).toBeLessThan(TOLERANCE[elem]);
    return;
  }
  const got = { codes: new Int8Array((await t.readU32(out.codes)).buffer), scales: await t.readF32(out.scales) };
  expect(maxRelativeError(dequantiseRef(got), want)).toBeLessThan(INT8_TOLERANCE);
  const sums = Float32Array.from({ length: length / 32 }, (_, g) =>
    got.codes.subarray(g * 32, (g + 1) * 32).reduce((sum, code) => sum + code * got.scales[2 * g], 0),
  );
  const stored = got.scales.filter((_, i) => i % 2 === 1);
  expect(maxRelativeError(stored, sums)).toBeLessThan(1e-5);
}

for (const variant of prefillAttentionKernel.variants) {
  describe.skipIf(!runsHere(variant))(labelOf(prefillAttentionKernel, variant), () => {
    test.each(CASES)('position $position, $rows rows, group $group, live $live', async (sizes) => {
      await check(variant, sizes);
    });
  });
}
