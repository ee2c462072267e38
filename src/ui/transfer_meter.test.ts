import { expect, test } from 'vitest';
import { TransferMeter } from './transfer_meter.ts';

test('speed and time left come from the last seconds', () => {
  const meter = new TransferMeter();
  meter.add(0, 0);
  meter.add(100, 100);
  expect(meter.bytesPerSecond).toBeNull();
  expect(meter.msLeft(1000)).toBeNull();
  for (let ms = 500; ms <= 10_000; ms += 500) meter.add(ms, ms);
  expect(meter.bytesPerSecond).toBeCloseTo(1000);
  expect(meter.msLeft(20_000)).toBeCloseTo(10_000);
  for (let ms = 10_500; ms <= 15_000; ms += 500) meter.add(10_000, ms);
  expect(meter.bytesPerSecond).toBe(0);
  expect(meter.msLeft(20_000)).toBeNull();
});

test('a second try starts anew', () => {
  const meter = new TransferMeter();
  meter.add(5000, 0);
  meter.add(0, 1000);
  meter.add(500, 2000);
  expect(meter.bytesPerSecond).toBeCloseTo(500);
});
