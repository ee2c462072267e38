/** Checks of what the programmer promised. A person who uses Lethe is never meant to see one of these. */

/** Throws an Error with `message` when `condition` is false. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Returns `value`, or throws when it is null or undefined; `what` names it. */
export function defined<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`);
  return value;
}
