/**
 * Measures the memory of quantising a large sharded checkpoint: a model in the shape of Qwen3-8B whose weights are made
 * up as they are read, so that nothing of it lies on disk. Prints one JSON line, and fails above the limit.
 *
 *     node bench/stream_shards.mjs [w8|w4] [layers] [scale]
 *
 * With a scale every width is divided by it, a shard's bytes by its square.
 */
import { runnerImport } from 'vite';

const LIMIT_BYTES = 3e9;

const { module } = await runnerImport(new URL('./stream_shards.ts', import.meta.url).pathname);
const [format = 'w4', layers = '36', scale = '1'] = process.argv.slice(2);
const before = process.memoryUsage.rss();
const result = await module.streamShards({ format, layers: Number(layers), scale: Number(scale) });
// Kilobytes, of the whole process since it began.
const peakBytes = process.resourceUsage().maxRSS * 1024;
process.stdout.write(
  `${JSON.stringify({ ...result, peak_bytes: peakBytes, before_bytes: before, limit_bytes: LIMIT_BYTES })}\n`,
);
if (peakBytes > LIMIT_BYTES) process.exitCode = 1;
