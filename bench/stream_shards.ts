/** A checkpoint in the shape of Qwen3-8B that is not there: headers and index are real, weights are made when read. */
import { openModel } from '../src/formats/model_folder.ts';
import { concatPacked } from '../src/formats/packed.ts';
import { INDEX_NAME } from '../src/formats/shards.ts';
import { memorySource } from '../src/formats/sources.ts';
import type { TensorInfo } from '../src/formats/tensor.ts';
import { commonFormat, readPacked, type WeightChoice } from '../src/formats/weight_choice.ts';
import type { ByteSource, FileSet } from '../src/util/byte_source.ts';
import { createRng, normals } from '../src/util/rng.ts';

const WIDTHS = { hidden: 4096, inner: 12288, heads: 32, kvHeads: 8, vocab: 151936 };
const HEAD_DIM = 128;
/** Bytes of a shard of the real model, about. */
const SHARD_BYTES = 4e9;

type Shape = readonly number[];

/** @param scale every width of the real model divided by this */
function tensorsOf(layers: number, scale: number): [string, Shape][] {
  const [hidden, inner, vocab] = [WIDTHS.hidden, WIDTHS.inner, WIDTHS.vocab].map((width) => width / scale);
  const [heads, kvHeads] = [WIDTHS.heads / scale, WIDTHS.kvHeads / scale];
  const all: [string, Shape][] = [['model.embed_tokens.weight', [vocab, hidden]]];
  for (let i = 0; i < layers; i++) {
    const layer: readonly [string, Shape][] = [
      ['input_layernorm', [hidden]],
      ['self_attn.q_proj', [heads * HEAD_DIM, hidden]],
      ['self_attn.k_proj', [kvHeads * HEAD_DIM, hidden]],
      ['self_attn.v_proj', [kvHeads * HEAD_DIM, hidden]],
      ['self_attn.q_norm', [HEAD_DIM]],
      ['self_attn.k_norm', [HEAD_DIM]],
      ['self_attn.o_proj', [hidden, heads * HEAD_DIM]],
      ['post_attention_layernorm', [hidden]],
      ['mlp.gate_proj', [inner, hidden]],
      ['mlp.up_proj', [inner, hidden]],
      ['mlp.down_proj', [hidden, inner]],
    ];
    for (const [name, shape] of layer) all.push([`model.layers.${i}.${name}.weight`, shape]);
  }
  return [...all, ['model.norm.weight', [hidden]], ['lm_head.weight', [vocab, hidden]]];
}

const bf16Bytes = (shape: Shape) => 2 * shape.reduce((product, size) => product * size, 1);

/** A megabyte of normal values in bf16, which stands for all weights. */
const NOISE = (() => {
  const bits = new Uint32Array(normals(createRng(7), 1 << 19, 0.02).buffer);
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer);
})();

/** A shard whose header is in memory and whose weights are the noise, over and over. */
function shardSource(name: string, tensors: readonly (readonly [string, Shape])[]): ByteSource {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [tensor, shape] of tensors) {
    header[tensor] = { dtype: 'BF16', shape, data_offsets: [end, end + bf16Bytes(shape)] };
    end += bf16Bytes(shape);
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(json, 8);
  return {
    name,
    size: head.length + end,
    async read(offset, length) {
      if (offset + length <= head.length) return head.subarray(offset, offset + length);
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += NOISE.length) {
        bytes.set(NOISE.subarray(0, Math.min(NOISE.length, length - at)), at);
      }
      return bytes;
    },
  };
}

function directory(layers: number, scale: number): FileSet {
  const groups: [string, Shape][][] = [[]];
  let bytes = 0;
  for (const tensor of tensorsOf(layers, scale)) {
    bytes += bf16Bytes(tensor[1]);
    if (bytes > SHARD_BYTES / scale ** 2) {
      groups.push([]);
      bytes = bf16Bytes(tensor[1]);
    }
    groups[groups.length - 1].push(tensor);
  }
  const number = (i: number) => String(i).padStart(5, '0');
  const shardName = (i: number) => `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`;
  const weight_map = Object.fromEntries(groups.flatMap((group, i) => group.map(([name]) => [name, shardName(i)])));
  const text = (name: string, value: unknown) => memorySource(name, new TextEncoder().encode(JSON.stringify(value)));
  const files = new Map<string, ByteSource>([
    ['config.json', text('config.json', { model_type: 'qwen3' })],
    [INDEX_NAME, text(INDEX_NAME, { metadata: {}, weight_map })],
    ...groups.map((group, i) => [shardName(i), shardSource(shardName(i), group)] as const),
  ]);
  return { name: 'qwen3-8b-shaped', open: async (name) => files.get(name) ?? null };
}

/** Matrices that the model level joins, in the order of the file. */
function joined(tensors: ReadonlyMap<string, TensorInfo>): readonly TensorInfo[][] {
  const groups = new Map<string, TensorInfo[]>();
  for (const info of tensors.values()) {
    if (info.shape.length < 2) continue;
    const key = info.name.replace(/self_attn\.[qkv]_proj/, 'qkv').replace(/mlp\.(gate|up)_proj/, 'gate_up');
    groups.set(key, [...(groups.get(key) ?? []), info]);
  }
  return [...groups.values()];
}

/** Quantises all matrices as a load does, and lets go of each as a load does when it is on the GPU. */
export async function streamShards(o: {
  readonly format: WeightChoice;
  readonly layers: number;
  readonly scale?: number;
}) {
  const { scale = 1 } = o;
  const started = performance.now();
  const { checkpoint, byteLength } = await openModel(directory(o.layers, scale));
  let packedBytes = 0;
  for (const infos of joined(checkpoint.tensors)) {
    const { target } = commonFormat(infos, o.format);
    const packed = [];
    for (const info of infos) packed.push(await readPacked(checkpoint, info, target));
    const { codes, scales } = concatPacked(packed);
    packedBytes += codes.byteLength + (scales?.byteLength ?? 0);
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    format: o.format,
    layers: o.layers,
    source_bytes: byteLength,
    packed_bytes: packedBytes,
    seconds,
    shard_bytes: SHARD_BYTES / scale ** 2,
  };
}
