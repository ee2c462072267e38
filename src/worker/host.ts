/** The worker's entry: the engine on this browser's GPU, behind comlink. */
import { expose } from 'comlink';
import { createHost } from './host_service.ts';

expose(createHost(() => navigator.gpu));
