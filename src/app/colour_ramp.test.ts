import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Rgb, rampColour, rampGradient, shadeColour } from './colour_ramp.ts';

/** Relative luminance, 0 to 1, as WCAG 2 reckons it. */
function luminance([red, green, blue]: Rgb): number {
  const linear = (byte: number): number => {
    const coded = byte / 255;
    return coded <= 0.04045 ? coded / 12.92 : ((coded + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** CIE lightness L*, 0 to 100: a measure of its own, not the ramp's OKLab. */
function lightness(colour: Rgb): number {
  const y = luminance(colour);
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

test.each([
  ['light', 0],
  ['dark', 1],
] as const)('the text of a %s page can be read before every shade', (scheme, place) => {
  const theme = readFileSync(new URL('theme.css', import.meta.url), 'utf8');
  const hex = /--text: light-dark\(#(\w{6}), #(\w{6})\)/.exec(theme)?.[place + 1] ?? '';
  const text = luminance([0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb);
  for (let share = 0; share <= 1; share += 0.01) {
    const shade = luminance(shadeColour(share, scheme));
    const contrast = (Math.max(text, shade) + 0.05) / (Math.min(text, shade) + 0.05);
    expect(contrast, `${share}`).toBeGreaterThanOrEqual(4.5);
  }
  // And the shades can be told apart.
  expect(Math.abs(lightness(shadeColour(0, scheme)) - lightness(shadeColour(1, scheme)))).toBeGreaterThan(20);
});

test('shares outside 0 to 1 are clamped', () => {
  expect(rampColour(-1, 'light')).toEqual(rampColour(0, 'light'));
  expect(rampColour(7, 'dark')).toEqual(rampColour(1, 'dark'));
});

test('the legend runs over the same colours', () => {
  const gradient = rampGradient('light', rampColour, 4);
  expect(gradient).toContain(`rgb(${rampColour(0.5, 'light').join(' ')})`);
  expect(gradient.match(/rgb/g)).toHaveLength(5);
});
