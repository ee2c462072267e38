/**
 * `npm start`: installs, builds and serves the page, and opens it where there is a browser. Plain Node, so that it runs
 * before anything is installed. `--no-open` (or CI in the environment) leaves the browser alone, `--port N` chooses.
 */
const OLDEST_NODE = 20;
/** Kept from run to run, because what the page stores (models, chats) belongs to its address. */
const PORT = 5384;
const PORT_TRIES = 10;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(
    `Lethe needs Node ${OLDEST_NODE} or newer; this is ${process.version}. Install a newer Node and try again.`,
  );
  process.exit(1);
}

/**
 * Serves on the wanted port, else on one of the next, else on any.
 * @param {string} folder
 * @param {number} wanted
 */
async function serveSomewhere(folder, wanted) {
  const { serve } = await import('./serve.mjs');
  for (let port = wanted; port < wanted + PORT_TRIES; port++) {
    try {
      return await serve(folder, { port });
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
    }
  }
  return serve(folder);
}

/**
 * Opens an address in the person's browser, if there is one; its absence is no error, since the address is printed.
 * @param {string} url
 */
async function openBrowser(url) {
  const { spawn } = await import('node:child_process');
  const { platform, env } = process;
  if (platform === 'linux' && !env.DISPLAY && !env.WAYLAND_DISPLAY) return;
  /** @type {Record<string, string[]>} */
  const openers = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] };
  const [command = 'xdg-open', ...args] = openers[platform] ?? ['xdg-open'];
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

/** @param {readonly string[]} args */
function wantedPort(args) {
  const at = args.indexOf('--port');
  if (at < 0) return PORT;
  const port = Number(args[at + 1]);
  if (Number.isInteger(port) && port > 0 && port < 65536) return port;
  throw new Error(`--port takes a number from 1 to 65535, not ${args[at + 1]}.`);
}

async function main() {
  const args = process.argv.slice(2);
  const port = wantedPort(args);
  const { join } = await import('node:path');
  const { ensureDependencies } = await import('./dependencies.mjs');
  const { ensureBuilt, ROOT } = await import('./build.mjs');
  ensureDependencies(ROOT);
  ensureBuilt('page');
  const server = await serveSomewhere(join(ROOT, 'dist', 'page'), port);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, async () => {
      await server.close();
      process.exit(0);
    });
  }
  console.log(`\nLethe is at ${server.url}\nCtrl-C ends it.`);
  if (!args.includes('--no-open') && !process.env.CI) await openBrowser(server.url);
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
