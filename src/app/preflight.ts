/**
 * What can be known before a byte is downloaded: is there WebGPU, is there an adapter, and what is it called. The
 * engine
 * in the worker asks again and has the last word; this only spares the reader a download that could not run.
 */
import { type Fault, faultOfKind } from './faults.ts';

/** What names an adapter; any part may be empty. */
export interface AdapterName {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
}

/** The adapter in one line. */
export function adapterLine({ vendor, architecture, description }: AdapterName): string {
  const parts = [vendor, architecture].filter((part) => part !== '');
  return description !== '' ? description : parts.length > 0 ? parts.join(' ') : 'not named by the browser';
}

/** The adapter's line, or the fault that the reader is shown. */
export async function findAdapter(): Promise<{ readonly adapter: string } | { readonly fault: Fault }> {
  // The types promise a `gpu`; browsers do not.
  const gpu = 'gpu' in navigator ? (navigator.gpu ?? null) : null;
  if (!gpu) {
    const address = isSecureContext ? '' : ' and this address is not a secure one';
    return { fault: faultOfKind('no-webgpu', `navigator.gpu is missing${address}.`) };
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  return adapter
    ? { adapter: adapterLine(adapter.info) }
    : { fault: faultOfKind('no-adapter', 'navigator.gpu.requestAdapter() found nothing.') };
}
