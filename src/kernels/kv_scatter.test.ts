import { describe, expect, test } from 'vitest';
import { kvScatterRef } from '../../shaders/kv_scatter.ref.ts';
import { createRng } from '../util/rng.ts';
import { kvLayout } from './kv_layout.ts';
import { kvScatter, kvScatterKernel } from './kv_scatter.ts';
import { labelOf } from './spec.ts';
import { TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const [KV_HEADS, STAGE_PAGES, TABLE_STRIDE] = [3, 2, 4];

for (const variant of kvScatterKernel.variants) {
  describe(labelOf(kvScatterKernel, variant), () => {
    test.each([1, 31, 32, 33, 64])('%i rows', async (rows) => {
      const layout = kvLayout(variant.format, variant.headDim);
      const rng = createRng(rows);
      const words = (length: number) => Uint32Array.from({ length }, () => Math.floor(rng() * 2 ** 32));
      const stage = words(KV_HEADS * STAGE_PAGES * layout.pageWords);
      const pool = words(KV_HEADS * TABLE_STRIDE * layout.pageWords);
      // Pages in reverse order, slots in steps of 5 that are prime to the 128 of a head, each third row dropped.
      const pages = KV_HEADS * TABLE_STRIDE;
      const pageTable = Uint32Array.from({ length: pages }, (_, i) => pages - 1 - i);
      const slotOfRow = Uint32Array.from({ length: KV_HEADS * rows }, (_, i) =>
        i % 3 === 2 ? 0xffffffff : ((i % rows) * 5 + 7) % 128,
      );
      const [stageBuffer, poolBuffer] = [t.input(stage), t.inout(pool)];
      const sizes = { rows, kvHeads: KV_HEADS, stagePages: STAGE_PAGES, tableStride: TABLE_STRIDE };
      const buffers = { slotOfRow: t.input(slotOfRow), pageTable: t.input(pageTable) };
      const bases = { slotStride: rows, tableBase: 0, layout };
      await t.run(kvScatter({ ...buffers, ...sizes, ...bases, staging: stageBuffer, pool: poolBuffer }));
      const { rowWords, scaleWords } = layout;
      kvScatterRef({ slotOfRow, pageTable, stage, pool, ...sizes, rowWords, scaleWords });
      expect(await t.readU32(poolBuffer)).toEqual(pool);
    });
  });
}
