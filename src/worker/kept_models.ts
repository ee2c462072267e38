/** The models that this site keeps, for whoever shows or removes them. Works in a page and in a worker. */
import { forgetModel, type KeptModelInfo, keptCopy, keptModels } from '../store/kept_model.ts';
import { keptDownloads } from '../store/opfs_disk.ts';

/** Models of which something is kept in this browser; none where it keeps nothing. */
export async function listModels(): Promise<KeptModelInfo[]> {
  const disk = await keptDownloads();
  return disk ? keptModels(disk) : [];
}

/** True when all of a model is kept, so that loading it downloads nothing. @param model as for `deleteModel` */
export async function isKept(model: string): Promise<boolean> {
  const disk = await keptDownloads();
  return disk !== null && (await keptCopy(disk, new URL(model, globalThis.location?.href).href)) !== null;
}

/**
 * Removes what is kept of a model; the next load downloads it again. An engine that is loaded goes on.
 * @param model address as it was given to `createEngine`
 */
export async function deleteModel(model: string): Promise<void> {
  const disk = await keptDownloads();
  if (disk) await forgetModel(disk, new URL(model, globalThis.location?.href).href);
}
