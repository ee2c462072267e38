/** The bound of `stream_shards` at an eighth of every width, in a process of its own, whose peak tells of no other. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('stream_shards.mjs', import.meta.url));

test.each(['w8', 'w4'])(
  'rounding shards to %s takes less memory than two of them',
  { timeout: 120_000 },
  async (format) => {
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, format, '36', '8']);
    const { source_bytes, shard_bytes, before_bytes, peak_bytes } = JSON.parse(stdout);
    // Held whole, it would not fit the bound.
    expect(source_bytes).toBeGreaterThan(4 * shard_bytes);
    expect(peak_bytes - before_bytes).toBeLessThan(2 * shard_bytes);
  },
);
