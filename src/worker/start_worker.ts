/**
 * Starts the engine's worker, wherever its script comes from. Browsers run no worker of another origin than the page's,
 * as when the package is had from a public server by a script tag: there a worker of the page's own imports the script,
 * which that server must allow (CORS). It knows nothing of what the worker does.
 */

/**
 * @throws DOMException where the browser refuses. A script that does not come is told of by an `error` event of the
 *   worker
 */
export function startWorker(): Worker {
  try {
    return start();
  } catch (cause) {
    if (!(cause instanceof DOMException && cause.name === 'SecurityError')) throw cause;
  }
  // The address is a bundler's to choose and stands in the call below alone, so that the constructor must look at it.
  const { Worker: native } = globalThis;
  globalThis.Worker = class extends native {
    constructor(address: string | URL, options?: WorkerOptions) {
      super(ownScript(address), options);
    }
  };
  try {
    return start();
  } finally {
    globalThis.Worker = native;
  }
}

/** In the words that bundlers look for, to bring the worker along. */
function start(): Worker {
  return new Worker(new URL('./host.ts', import.meta.url), { type: 'module', name: 'lethe' });
}

/** The address of a script of this page that imports the one given; it is kept as long as the page. */
function ownScript(address: string | URL): string {
  const script = `import ${JSON.stringify(String(address))};`;
  return URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
}
