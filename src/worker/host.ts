/** The worker's entry: the engine on this browser's GPU, behind comlink. */
import { expose } from 'comlink';
import { keptDownloads, keptSnapshots } from '../store/opfs_disk.ts';
import { createHost } from './host_service.ts';

expose(createHost({ gpu: () => navigator.gpu, disk: keptDownloads, snapshots: keptSnapshots }));
