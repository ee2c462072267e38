/**
 * Chats in the browser's IndexedDB, a record a chat. What is read is checked: a record that another program or a fault
 * left there is passed over and counted, and never changed. It knows nothing of the chat that is open.
 */
import { createStore, del, set, type UseStore, values } from 'idb-keyval';
import { type ChatRecord, type ImportedChats, readRecord } from '../ui/chat_record.ts';

const DATABASE = 'lethe-chats';
const TABLE = 'chats';

export class ChatStore {
  /** Opened when it is first needed: a browser may refuse it. */
  #table: UseStore | null = null;

  get #opened(): UseStore {
    this.#table ??= createStore(DATABASE, TABLE);
    return this.#table;
  }

  /** Rejects where the browser keeps nothing. */
  async read(): Promise<ImportedChats> {
    const all = (await values<unknown>(this.#opened)).map(readRecord);
    const records = all.filter((record) => record !== null);
    return { records, damaged: all.length - records.length };
  }

  async write(record: ChatRecord): Promise<void> {
    await set(record.id, record, this.#opened);
  }

  async remove(id: string): Promise<void> {
    await del(id, this.#opened);
  }
}
