import { expect, test } from 'vitest';
import { CacheFullError } from '../cache/errors.ts';
import { FormatError } from '../formats/errors.ts';
import { DeviceError } from '../gpu/errors.ts';
import { NoRoomError } from '../store/disk.ts';
import { DownloadError } from '../store/http.ts';
import { packError, unpackError } from '../worker/protocol.ts';
import { type FaultKind, faultOf, isAbort } from './faults.ts';

const CASES: readonly (readonly [Error, FaultKind])[] = [
  [new DeviceError('no-webgpu', 'a', 'b'), 'no-webgpu'],
  [new DeviceError('no-adapter', 'a', 'b'), 'no-adapter'],
  [new DeviceError('missing-feature', 'a', 'b'), 'missing-feature'],
  [new DeviceError('limit-too-small', 'a', 'b'), 'limit-too-small'],
  [new DeviceError('lost', 'a', 'b'), 'lost'],
  [new DeviceError('out-of-memory', 'a', 'b'), 'out-of-memory'],
  [new CacheFullError('context', 'a'), 'context'],
  [new CacheFullError('budget', 'a'), 'budget'],
  [new CacheFullError('memory', 'a'), 'memory'],
  [new FormatError('model.gguf', 'too short'), 'bad-model'],
  [new DownloadError('http://localhost/', 404, 'a'), 'not-found'],
  [new DownloadError('http://localhost/', 503, 'a'), 'network'],
  [new DownloadError('http://localhost/', null, 'a'), 'network'],
  [new NoRoomError(2, 1), 'no-room'],
  [new TypeError('a'), 'other'],
];

test.each(CASES)('%s is known after its way through the worker', (error, kind) => {
  const fault = faultOf(unpackError(packError(error)));
  expect(fault.kind).toBe(kind);
  expect(fault.detail).toBe(error.message);
  expect(fault.remedies.length).toBeGreaterThan(0);
});

test('the remedy of the engine comes first where it knows more', () => {
  expect(faultOf(new DeviceError('missing-feature', 'a', 'Update it.')).remedies[0]).toBe('Update it.');
});

test('a signal that fired is no fault', () => {
  expect(isAbort(new DOMException('stopped', 'AbortError'))).toBe(true);
  expect(isAbort(new Error('AbortError'))).toBe(false);
});
