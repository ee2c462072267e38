/**
 * What an address means: a model's own address stands for itself, one of the Hugging Face hub leads to a file or folder
 * of its repository. The hub is asked, and its client loaded, only where no whole copy is kept. It reads no weights.
 */
import type { Disk } from '../store/disk.ts';
import { askedOfHub, hubName } from '../store/hub_address.ts';
import { keptCopy, type Listing } from '../store/kept_model.ts';

export interface FindOptions {
  readonly signal?: AbortSignal | undefined;
  /** Where downloads are kept; without it the hub is asked each time. */
  readonly disk?: () => Promise<Disk | null>;
}

/** A model's own address: of a folder or of a GGUF file. */
export interface FoundAddress {
  readonly address: string;
  /** Null where no hub was asked. */
  readonly listing: Listing | null;
}

/** What `openModelAt` opens. */
export interface FoundModel {
  readonly model: string | readonly File[];
  readonly listing: Listing | null;
}

/**
 * @param address absolute, or of the hub: `hf:owner/name`, with `@revision` and `/file.gguf` where they are meant
 * @throws HubError (reason: missing, gated, unsupported), DownloadError; the signal's reason when it fires
 */
export async function findAddress(address: string, { signal, disk }: FindOptions = {}): Promise<FoundAddress> {
  const asked = askedOfHub(address);
  if (!asked) return { address, listing: null };
  const downloads = await disk?.();
  const kept = downloads && (await keptCopy(downloads, address));
  if (kept) return { address: kept.address, listing: kept.listing };
  const { readHubModel } = await import('../store/hub.ts');
  const { chosen, license } = await readHubModel(asked, signal ? { signal } : {});
  return { address: chosen.address, listing: { name: hubName(asked), license } };
}

/** The same for what `createEngine` takes: an address relative to the page, or chosen files, which lead nowhere. */
export async function findModel(model: string | readonly File[], options: FindOptions = {}): Promise<FoundModel> {
  if (typeof model !== 'string') return { model: [...model], listing: null };
  const { address, listing } = await findAddress(new URL(model, globalThis.location?.href).href, options);
  return { model: address, listing };
}
