/**
 * What the browser says of this page as an installed program: whether it may be installed, whether a newer version
 * waits, whether there is a network. It draws nothing.
 */
import { registerSW } from 'virtual:pwa-register';

/** The event of browsers that let a page offer its own installation; not in TypeScript's DOM library. */
interface InstallPrompt extends Event {
  prompt(): Promise<void>;
  readonly userChoice: Promise<{ readonly outcome: 'accepted' | 'dismissed' }>;
}

export class Installation {
  /** A newer version is downloaded and waits for a reload. */
  updateReady = false;
  offline = !navigator.onLine;
  #prompt: InstallPrompt | null = null;
  #update: (() => Promise<void>) | null = null;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** True while the browser would install the page if asked. */
  get installable(): boolean {
    return this.#prompt !== null;
  }

  /** Starts to listen, and registers the service worker that makes the page start without a network. */
  start(): void {
    addEventListener('beforeinstallprompt', (event) => {
      event.preventDefault();
      this.#prompt = event as InstallPrompt;
      this.#changed();
    });
    addEventListener('appinstalled', () => this.#noPrompt());
    for (const name of ['online', 'offline']) {
      addEventListener(name, () => {
        this.offline = !navigator.onLine;
        this.#changed();
      });
    }
    this.#update = registerSW({
      onNeedRefresh: () => {
        this.updateReady = true;
        this.#changed();
      },
    });
  }

  /** Shows the browser's own question; a page may ask once an event. */
  async install(): Promise<void> {
    const prompt = this.#prompt;
    if (!prompt) return;
    await prompt.prompt();
    const { outcome } = await prompt.userChoice;
    this.#noPrompt();
    // Whoever installs it wants its model to stay.
    if (outcome === 'accepted') await navigator.storage?.persist?.();
  }

  /** Reloads into the newer version. */
  async update(): Promise<void> {
    await this.#update?.();
  }

  #noPrompt(): void {
    this.#prompt = null;
    this.#changed();
  }
}
