import { expect, test } from 'vitest';
import { type Rgb, rampColour, rampGradient } from './colour_ramp.ts';

/** CIE lightness L*, 0 to 100: a measure of its own, not the ramp's OKLab. */
function lightness([red, green, blue]: Rgb): number {
  const linear = (byte: number): number => {
    const coded = byte / 255;
    return coded <= 0.04045 ? coded / 12.92 : ((coded + 0.055) / 1.055) ** 2.4;
  };
  const y = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
}

test.each(['light', 'dark'] as const)('lightness goes one way in even steps on a %s page', (scheme) => {
  const steps = 10;
  const values = Array.from({ length: steps + 1 }, (_, i) => lightness(rampColour(i / steps, scheme)));
  const whole = values[steps] - values[0];
  expect(Math.abs(whole)).toBeGreaterThan(55);
  for (let i = 0; i < steps; i++) {
    const step = (values[i + 1] - values[i]) / (whole / steps);
    expect(step, `step ${i}`).toBeGreaterThan(0.6);
    expect(step, `step ${i}`).toBeLessThan(1.4);
  }
});

test('shares outside 0 to 1 are clamped', () => {
  expect(rampColour(-1, 'light')).toEqual(rampColour(0, 'light'));
  expect(rampColour(7, 'dark')).toEqual(rampColour(1, 'dark'));
});

test('the legend runs over the same colours', () => {
  const gradient = rampGradient('light', 4);
  expect(gradient).toContain(`rgb(${rampColour(0.5, 'light').join(' ')})`);
  expect(gradient.match(/rgb/g)).toHaveLength(5);
});
