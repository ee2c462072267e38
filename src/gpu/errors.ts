/** The errors of the GPU layer for which a person is shown a different remedy. */

export type DeviceFault = 'no-webgpu' | 'no-adapter' | 'missing-feature' | 'limit-too-small' | 'lost' | 'out-of-memory';

/** Something about the GPU that the reader of the page can act on; `remedy` says how. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  constructor(
    readonly fault: DeviceFault,
    message: string,
    readonly remedy: string,
  ) {
    super(`${message} ${remedy}`);
  }
}
