/** How fast bytes come in and when the rest will have come: from the last few seconds, so that a stall shows. */

interface Sample {
  readonly time: number;
  readonly done: number;
}

/** Milliseconds that the speed looks back. */
const SPAN_MS = 4000;

/** Milliseconds before which a speed would be a guess. */
const LEAST_MS = 400;

export class TransferMeter {
  #samples: Sample[] = [];

  /** Notes that `done` bytes have come by `time` (milliseconds); a smaller number than before starts again. */
  add(done: number, time: number): void {
    const last = this.#samples.at(-1);
    if (last && done < last.done) this.#samples = [];
    this.#samples.push({ time, done });
    while (this.#samples.length > 2 && time - this.#samples[0].time > SPAN_MS) this.#samples.shift();
  }

  /** Bytes per second; null while it is too early to say. */
  get bytesPerSecond(): number | null {
    const first = this.#samples.at(0);
    const last = this.#samples.at(-1);
    if (!first || !last || last.time - first.time < LEAST_MS) return null;
    return ((last.done - first.done) * 1000) / (last.time - first.time);
  }

  /** Milliseconds until `total` bytes have come; null when nothing says. */
  msLeft(total: number): number | null {
    const speed = this.bytesPerSecond;
    const done = this.#samples.at(-1)?.done ?? 0;
    return speed === null || speed <= 0 ? null : ((total - done) * 1000) / speed;
  }
}
