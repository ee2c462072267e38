/** The models that this site keeps, for whoever shows or removes them. Works in a page and in a worker. */
import { forgetModel, type KeptModelInfo, keptModels } from '../store/kept_model.ts';
import { keptDownloads } from '../store/opfs_disk.ts';

/** Models of which something is kept in this browser; none where it keeps nothing. */
export async function listModels(): Promise<KeptModelInfo[]> {
  const disk = await keptDownloads();
  return disk ? keptModels(disk) : [];
}

/**
 * Removes what is kept of a model; the next load downloads it again. An engine that is loaded goes on.
 * @param model address as it was given to `createEngine`
 */
export async function deleteModel(model: string): Promise<void> {
  const disk = await keptDownloads();
  if (disk) await forgetModel(disk, new URL(model, globalThis.location?.href).href);
}
