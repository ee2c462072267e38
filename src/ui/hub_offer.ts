/** What a model at any address is, those of the Hugging Face hub included. */
import { httpFile } from '../store/http.ts';
import { type HubChoice, HubError, readHubModel } from '../store/hub.ts';
import { HUB_URL, parseHubAddress } from '../store/hub_address.ts';
import { type ModelOffer, needOfConfig, readGguf, readOffer } from './model_offer.ts';

/**
 * As `readOffer`, and for `hf:owner/name` or an address on the hub its repository, with the address to load from.
 * @throws HubError besides
 */
export async function readAnyOffer(address: string, signal: AbortSignal): Promise<ModelOffer> {
  const found = parseHubAddress(address);
  if (!found) return readOffer(address, signal);
  const { repo, license, choices, chosen } = await readHubModel(found, { signal });
  const place = { address: chosen.address, choices, host: new URL(HUB_URL).host };
  if (chosen.label === 'model folder') return { ...(await readOffer(chosen.address, signal)), ...place };
  const need = await needOf(repo, chosen, signal);
  return { name: repo, license, bytes: chosen.bytes, need, ...place };
}

async function needOf(repo: string, { address }: HubChoice, signal: AbortSignal) {
  if (address.endsWith('.gguf')) return (await readGguf(address, signal)).need;
  const config = await httpFile(`${address}config.json`, { signal });
  if (!config) throw new HubError(repo, 'unsupported', 'its config.json is listed, and the hub does not have it.');
  return needOfConfig(config, signal);
}
