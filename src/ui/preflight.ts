/**
 * What can be known before a byte is downloaded: is there WebGPU, is there an adapter, and what is it called. The
 * engine in the worker asks again and has the last word; this only spares the reader a download that could not run.
 */
import type { Room } from '../engine/model_need.ts';
import { type Fault, faultOfKind } from './faults.ts';

/** What names an adapter; any part may be empty. */
export interface AdapterName {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
}

/** The adapter in one line; null where the browser does not name it. */
export function adapterLine({ vendor, architecture, description }: AdapterName): string | null {
  const parts = [vendor, architecture].filter((part) => part !== '');
  return description || parts.join(' ') || null;
}

/** Bytes that the browser would still let this site write; null where it does not say. */
async function freeDiskBytes(): Promise<number | null> {
  // Only secure pages have storage, and the types promise it.
  const storage = 'storage' in navigator ? navigator.storage : null;
  try {
    const { quota, usage } = (await storage?.estimate()) ?? {};
    return quota === undefined ? null : quota - (usage ?? 0);
  } catch {
    return null;
  }
}

/** The adapter's line and what there is room for, or the fault that the reader is shown. */
export async function findAdapter(): Promise<
  { readonly adapter: string | null; readonly room: Room } | { readonly fault: Fault }
> {
  // The types promise a `gpu`; browsers do not.
  const gpu = 'gpu' in navigator ? (navigator.gpu ?? null) : null;
  if (!gpu) {
    const address = isSecureContext ? '' : ' and this address is not a secure one';
    return { fault: faultOfKind('no-webgpu', `navigator.gpu is missing${address}.`) };
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return { fault: faultOfKind('no-adapter', 'navigator.gpu.requestAdapter() found nothing.') };
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return {
    adapter: adapterLine(adapter.info),
    room: { maxBufferSize, maxStorageBufferBindingSize, freeDiskBytes: await freeDiskBytes() },
  };
}
