/** The server that a reader chose in the place of a model here, key included: kept in this browser, under one name. */
import type { ServerOptions } from '../engine/api.ts';

const STORAGE_KEY = 'lethe.server';

/** A server from stored text; null for anything that is none. */
export function parseServer(text: string | null): ServerOptions | null {
  let stored: unknown = null;
  try {
    stored = JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
  if (typeof stored !== 'object' || stored === null) return null;
  const { baseURL, apiKey, model } = stored as Readonly<Record<string, unknown>>;
  if (typeof baseURL !== 'string' || !URL.canParse(baseURL)) return null;
  return {
    baseURL,
    ...(typeof apiKey === 'string' && apiKey !== '' ? { apiKey } : {}),
    ...(typeof model === 'string' && model !== '' ? { model } : {}),
  };
}

/** The server of the last visit; null where the page ran a model of its own, or storage is refused. */
export function loadServer(): ServerOptions | null {
  try {
    return parseServer(localStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

/** Keeps a server for the next visit; null forgets it and its key. */
export function keepServer(server: ServerOptions | null): void {
  try {
    const { baseURL, apiKey, model } = server ?? {};
    if (server === null) localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, JSON.stringify({ baseURL, apiKey, model }));
  } catch {
    // Storage is refused or full: the server lasts as long as the page.
  }
}
