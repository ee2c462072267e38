/**
 * The heat map's colours: a ramp in the river's blue-green whose lightness rises in equal steps (OKLab), so that equal
 * differences of share look equally different, also to colour-blind eyes and in grey. No canvas here.
 * OKLab: Björn Ottosson, "A perceptual color space for image processing", 2020.
 */

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

interface Stop {
  readonly lightness: number;
  readonly chroma: number;
  /** Degrees. */
  readonly hue: number;
}

interface Ramp {
  readonly empty: Stop;
  readonly full: Stop;
}

/** On a light page little is pale and much is deep; on a dark page little is dim and much is bright. */
const RAMPS: Readonly<Record<'light' | 'dark', Ramp>> = {
  light: {
    empty: { lightness: 0.95, chroma: 0.025, hue: 175 },
    full: { lightness: 0.34, chroma: 0.085, hue: 245 },
  },
  dark: {
    empty: { lightness: 0.29, chroma: 0.045, hue: 245 },
    full: { lightness: 0.93, chroma: 0.085, hue: 165 },
  },
};

/** The ramp's chroma swells in the middle, where sRGB has room for it; a fifth of the way is lost at the ends. */
const SWELL = 0.05;

/** The colour of a share from 0 to 1; outside is clamped. */
export function rampColour(share: number, scheme: 'light' | 'dark'): Rgb {
  const t = Math.min(1, Math.max(0, share));
  const { empty, full } = RAMPS[scheme];
  const between = (a: number, b: number): number => a + (b - a) * t;
  const chroma = between(empty.chroma, full.chroma) + SWELL * Math.sin(Math.PI * t);
  const hue = (between(empty.hue, full.hue) * Math.PI) / 180;
  return oklabToRgb(between(empty.lightness, full.lightness), chroma * Math.cos(hue), chroma * Math.sin(hue));
}

/** How far along the ramp a shade behind words may go, so that the page's text keeps a contrast of 4.5:1 before it. */
const SHADE_END: Readonly<Record<'light' | 'dark', number>> = { light: 0.48, dark: 0.34 };

/** The colour behind a word of a share from 0 to 1; outside is clamped. */
export function shadeColour(share: number, scheme: 'light' | 'dark'): Rgb {
  return rampColour(Math.min(1, Math.max(0, share)) * SHADE_END[scheme], scheme);
}

/** The colour as CSS writes it. */
export function cssColour([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** A CSS gradient from left to right over a whole ramp; `steps` stops. */
export function rampGradient(scheme: 'light' | 'dark', colourOf = rampColour, steps = 16): string {
  const stops = Array.from({ length: steps + 1 }, (_, i) => cssColour(colourOf(i / steps, scheme)));
  return `linear-gradient(to right, ${stops.join(', ')})`;
}

/** OKLab to sRGB, clipped to what a screen shows. */
function oklabToRgb(lightness: number, a: number, b: number): Rgb {
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
    toByte(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
    toByte(-0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short),
  ];
}

/** Linear light to a gamma-coded byte. */
function toByte(linear: number): number {
  const clipped = Math.min(1, Math.max(0, linear));
  const coded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
  return Math.round(255 * coded);
}
