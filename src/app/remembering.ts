/**
 * Whether the conversation is shown shaded, and by what: asks the engine who remembers what each time that an answer
 * has ended while the switch is on. It draws nothing, and asks nothing while it is off or an answer is under way.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { Engine, Retention } from '../engine/api.ts';

export class Remembering {
  /** The switch. */
  on = false;
  #retention: Retention | null = null;
  #idle = false;
  /** The occupancy that the retention belongs to, or that it was asked for. */
  #asked: Occupancy | null = null;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** What to shade by; null while the conversation is to be shown as ever. */
  get shown(): Retention | null {
    const { on } = this;
    return on && this.#idle && (this.#retention?.tokensSeen ?? 0) > 0 ? this.#retention : null;
  }

  /** Called with every change of the chat. */
  follow(engine: Engine | null, idle: boolean, occupancy: Occupancy | null): void {
    this.#idle = idle;
    if (!this.on || !engine || !idle || !occupancy || occupancy === this.#asked) return;
    this.#asked = occupancy;
    void this.#ask(engine, occupancy);
  }

  turn(on: boolean): void {
    this.on = on;
    this.#retention = null;
    this.#asked = null;
    this.#changed();
  }

  async #ask(engine: Engine, occupancy: Occupancy): Promise<void> {
    // An engine that is lost says so by itself.
    const retention = await engine.retention().catch(() => null);
    if (this.#asked !== occupancy) return;
    this.#retention = retention;
    this.#changed();
  }
}
