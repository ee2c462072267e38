/** Prints, as one JSON line, the adapter that Dawn chooses in this environment, or null. Run in its own process. */
import { create } from 'webgpu';

// Held to the end: Dawn must outlive its adapters.
const dawn = create([]);
const adapter = await dawn.requestAdapter();
const facts = adapter && {
  vendor: adapter.info.vendor,
  architecture: adapter.info.architecture,
  device: adapter.info.device,
  description: adapter.info.description,
  f16: adapter.features.has('shader-f16'),
  subgroups: adapter.features.has('subgroups'),
};
console.log(JSON.stringify(facts));
