/**
 * A checkpoint that lies in several safetensors files with an index beside them (`model.safetensors.index.json`), as
 * one. It opens the headers of all shards; of weights it reads what is asked for, and keeps nothing.
 */
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { asFields, asText, FormatError, parseJson } from './errors.ts';
import { requirePlainName } from './manifest.ts';
import { openSafetensors } from './safetensors.ts';
import type { Checkpoint, TensorInfo } from './tensor.ts';

export const INDEX_NAME = 'model.safetensors.index.json';

/** Several files as one checkpoint, and the files themselves in the order of their names. */
export interface Shards {
  /** Offsets of its tensors count through all shards, one after the other. */
  readonly checkpoint: Checkpoint;
  readonly files: readonly ByteSource[];
}

/**
 * Opens the shards that an index lists.
 * @throws FormatError that names the index, the shard or the tensor: a shard that is missing, a tensor that is in
 *   another shard than the index says, or in two
 */
export async function openShards(set: FileSet, index: ByteSource, signal?: AbortSignal): Promise<Shards> {
  const json = asFields(parseJson(await index.read(0, index.size, signal), index.name), index.name);
  const listed = Object.entries(asFields(json.weight_map, `${index.name}: weight_map`)).map(([tensor, file]) => {
    const subject = `${index.name}: weight_map: ${tensor}`;
    const name = asText(file, subject);
    requirePlainName(name, subject);
    return [tensor, name] as const;
  });
  const names = [...new Set(listed.map(([, file]) => file))].sort();
  if (names.length === 0) throw new FormatError(index.name, 'its weight_map lists no tensor.');
  const files: ByteSource[] = [];
  const homes = new Map<string, { readonly shard: Checkpoint; readonly info: TensorInfo }>();
  let start = 0;
  for (const name of names) {
    const source = await set.open(name, signal);
    if (!source) throw new FormatError(set.name, `${name} is missing, and ${INDEX_NAME} lists it.`);
    const shard = await openSafetensors(source, signal);
    for (const info of shard.tensors.values()) {
      const other = homes.get(info.name);
      if (other) throw new FormatError(`${name}: tensor ${info.name}`, `${other.shard.name} has it too.`);
      homes.set(info.name, { shard, info: { ...info, offset: start + info.offset } });
    }
    files.push(source);
    start += source.size;
  }
  for (const [tensor, name] of listed) {
    if (homes.get(tensor)?.shard.name === files[names.indexOf(name)].name) continue;
    throw new FormatError(
      `${name}: tensor ${tensor}`,
      `the file does not have it, and ${INDEX_NAME} says that it does.`,
    );
  }
  const home = (name: string): Checkpoint => {
    const found = homes.get(name);
    if (!found) throw new FormatError(`${index.name}: tensor ${name}`, 'no shard has it.');
    return found.shard;
  };
  const checkpoint: Checkpoint = {
    name: index.name,
    format: 'safetensors',
    metadata: {},
    tensors: new Map([...homes].map(([name, { info }]) => [name, info])),
    read: async (name, readSignal) => home(name).read(name, readSignal),
    readRange: async (name, range, readSignal) => home(name).readRange(name, range, readSignal),
  };
  return { checkpoint, files };
}
