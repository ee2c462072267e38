/**
 * A conversation in the cache as one file, and back. Little-endian:
 *
 *   bytes 0..7    "LETHEKV1"
 *   bytes 8..11   u32 version
 *   bytes 12..43  SHA-256 of all that follows
 *   bytes 44..47  u32 bytes of the description
 *   bytes 48..55  u64 bytes of the whole file
 *   then          the description, JSON, padded with spaces to a multiple of 4
 *   then          u32 words: ids, live, ring, dropped, seen, logits (f32, maybe none), the live slots layer by layer
 *
 * A file is data from outside: every size is reckoned from the session that it is for and compared with the file's, so
 * that nothing is allocated on the word of a file. It never reads a file of another version, model or cache.
 */
import type { CacheState } from '../cache/cache_state.ts';
import { kvLayout } from '../kernels/kv_layout.ts';
import type { SessionForm, SessionState } from '../model/session_types.ts';
import { assert } from '../util/assert.ts';
import type { ChatMessage } from './api.ts';
import type { ConversationState } from './conversation.ts';
import { SnapshotError } from './errors.ts';

const MAGIC = 'LETHEKV1';
const VERSION = 1;
const HEADER_BYTES = 56;
const CHECKED_FROM = 44;
const CHECKSUM_AT = 12;
const CHECKSUM_BYTES = 32;

export interface Snapshot {
  readonly form: SessionForm;
  readonly session: SessionState;
  readonly conversation: ConversationState;
}

/** What the JSON part says. */
interface Description {
  readonly form: SessionForm;
  readonly tokens: number;
  readonly pending: number | null;
  readonly logits: boolean;
  readonly text: string | null;
  readonly unanswered: boolean;
  readonly messages: readonly ChatMessage[];
}

export async function encodeSnapshot({ form, session, conversation }: Snapshot): Promise<Uint8Array<ArrayBuffer>> {
  const { cache, pending, logits, seen } = session;
  const { ids, text, unanswered, messages } = conversation;
  assert(ids.length === cache.tokens + (pending === null ? 0 : 1), `${ids.length} tokens for ${cache.tokens} slots`);
  const description: Description = {
    ...{ form, tokens: cache.tokens, pending, logits: logits !== null, text, unanswered, messages },
  };
  const json = padded(new TextEncoder().encode(JSON.stringify(description)));
  const words = [Uint32Array.from(ids), cache.live, cache.ring, cache.dropped, seen];
  const sections = [...words, ...(logits ? [logits] : []), ...cache.slots];
  const size = sections.reduce((sum, { byteLength }) => sum + byteLength, HEADER_BYTES + json.length);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(44, json.length, true);
  view.setBigUint64(48, BigInt(size), true);
  file.set(json, HEADER_BYTES);
  let at = HEADER_BYTES + json.length;
  for (const { buffer, byteOffset, byteLength } of sections) {
    file.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  file.set(await checksumOf(file), CHECKSUM_AT);
  return file;
}

/**
 * @param form of the session that the snapshot is to be restored into
 * @returns views of `bytes` (of a copy where they do not begin at a multiple of 4)
 * @throws SnapshotError
 */
export async function decodeSnapshot(bytes: Uint8Array, form: SessionForm): Promise<Snapshot> {
  const file = aligned(bytes);
  const jsonBytes = readHeader(file);
  const checksum = await checksumOf(file);
  const stored = file.subarray(CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES);
  if (!checksum.every((byte, i) => byte === stored[i])) throw corrupted('its checksum does not match its contents');
  const description = readDescription(file.subarray(HEADER_BYTES, HEADER_BYTES + jsonBytes));
  compareForms(description.form, form);
  const sections = new Uint32Array(file.buffer, file.byteOffset + HEADER_BYTES + jsonBytes);
  return { form, ...readSections(sections, description, form) };
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(0x20);
  out.set(bytes);
  return out;
}

function aligned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset % 4 === 0;
  return whole ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}

async function checksumOf(file: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', file.subarray(CHECKED_FROM)));
}

function corrupted(fact: string): SnapshotError {
  return new SnapshotError('corrupted', `The saved memory is damaged: ${fact}. Remove it; the chat can be read anew.`);
}

/** Checks all but the checksum and returns the bytes of the description. */
function readHeader(file: Uint8Array<ArrayBuffer>): number {
  const cut = `The saved memory ends at byte ${file.length}, before its end. Remove it; the chat can be read anew.`;
  if (file.length < HEADER_BYTES) throw new SnapshotError('truncated', cut);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const magic = String.fromCharCode(...file.subarray(0, MAGIC.length));
  if (magic !== MAGIC) throw corrupted('it does not begin like one');
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    const fact = `The saved memory has version ${version}, and this Lethe reads version ${VERSION}.`;
    throw new SnapshotError('version', `${fact} Remove it; the chat can be read anew.`);
  }
  const size = view.getBigUint64(48, true);
  if (size > BigInt(file.length)) throw new SnapshotError('truncated', cut);
  if (size < BigInt(file.length)) throw corrupted('there are bytes behind its end');
  const jsonBytes = view.getUint32(44, true);
  if (jsonBytes % 4 !== 0 || (file.length - jsonBytes) % 4 !== 0) throw corrupted('its parts are not whole words');
  if (HEADER_BYTES + jsonBytes > file.length) throw corrupted('its description passes its end');
  return jsonBytes;
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isMessage(value: unknown): value is ChatMessage {
  return isFields(value) && typeof value.role === 'string' && typeof value.content === 'string';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function readDescription(json: Uint8Array): Description {
  let read: unknown;
  try {
    read = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    throw corrupted('its description is no JSON');
  }
  if (!isFields(read) || !isFields(read.form)) throw corrupted('its description is incomplete');
  const { form, tokens, pending, logits, text, unanswered, messages } = read;
  const whole =
    isCount(tokens) &&
    (pending === null || isCount(pending)) &&
    (text === null || typeof text === 'string') &&
    typeof logits === 'boolean' &&
    typeof unanswered === 'boolean' &&
    Array.isArray(messages) &&
    messages.every(isMessage);
  if (!whole) throw corrupted('its description is incomplete');
  // Compared with the session's own before any of it is used.
  return { form: form as unknown as SessionForm, tokens, pending, logits, text, unanswered, messages };
}

function compareForms(saved: Partial<SessionForm>, own: SessionForm): void {
  if (saved.model !== own.model) {
    const remedy = 'Load the model that it was made with, or read the chat anew.';
    throw new SnapshotError('model', `The saved memory is another model's. ${remedy}`);
  }
  for (const key of ['kv', 'policy', 'layers', 'kvHeads', 'headDim', 'ringSize', 'vocabSize'] as const) {
    const [theirs, ours] = [canonical(saved[key]), canonical(own[key])];
    if (theirs === ours) continue;
    const fact = `The saved memory was made with ${key} ${theirs}, and this engine has ${ours}.`;
    throw new SnapshotError('cache', `${fact} Set it so, or read the chat anew.`);
  }
}

/** JSON with the keys in order. */
function canonical(value: unknown): string {
  return isFields(value) ? JSON.stringify(Object.fromEntries(Object.entries(value).sort())) : JSON.stringify(value);
}

function readSections(
  words: Uint32Array<ArrayBuffer>,
  description: Description,
  form: SessionForm,
): Pick<Snapshot, 'session' | 'conversation'> {
  const { tokens, pending, text, unanswered, messages } = description;
  const { layers, kvHeads, vocabSize } = form;
  const heads = layers * kvHeads;
  let at = 0;
  const take = (count: number): Uint32Array<ArrayBuffer> => {
    if (count > words.length - at) throw corrupted('a part of it is missing');
    at += count;
    return words.subarray(at - count, at);
  };
  const ids = [...take(tokens + (pending === null ? 0 : 1))];
  const live = take(heads);
  const ring = take(heads * Math.min(tokens, form.ringSize));
  const dropped = take(heads * Math.ceil(tokens / 32));
  const seen = take(Math.ceil(vocabSize / 32));
  const logitWords = description.logits ? take(vocabSize) : null;
  const slotWords = kvLayout(form.kv, form.headDim).slotBytes / 4;
  const slots = Array.from({ length: layers }, (_, layer) => {
    const own = live.subarray(layer * kvHeads, (layer + 1) * kvHeads);
    return take(own.reduce((sum, length) => sum + length, 0) * slotWords);
  });
  if (at !== words.length) throw corrupted('there is more in it than belongs to it');
  if (ids.some((id) => id >= vocabSize)) throw corrupted('it names tokens that the model does not have');
  if (pending !== null && ids.at(-1) !== pending) throw corrupted('its last token is not the one that waits');
  const cache = { tokens, live, ring, dropped, slots };
  checkCache(cache, heads);
  const logits = logitWords && new Float32Array(logitWords.buffer, logitWords.byteOffset, vocabSize);
  return { session: { cache, pending, logits, seen }, conversation: { ids, text, unanswered, messages } };
}

function popcount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** What must agree within a cache: lengths with the record of dropped tokens, the ring's slots with the lengths. */
function checkCache({ tokens, live, ring, dropped }: CacheState, heads: number): void {
  const [words, entries] = [dropped.length / heads, ring.length / heads];
  for (let head = 0; head < heads; head++) {
    const gone = dropped.subarray(head * words, (head + 1) * words).reduce((sum, word) => sum + popcount(word), 0);
    if (live[head] !== tokens - gone) throw corrupted('its lengths contradict each other');
    for (const entry of ring.subarray(head * entries, (head + 1) * entries)) {
      if ((entry & 0x7fffffff) >= live[head]) throw corrupted('it names slots that it does not have');
    }
  }
}
