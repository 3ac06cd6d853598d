// Axes of a plot: where ticks stand and how their numbers read. Steps are 1, 2 or 5 times a power of ten, and a range
// that is not given begins at zero, so that no difference looks larger than it is.

export interface Axis {
  readonly label: string;
  readonly unit: string;
  readonly min?: number;
  readonly max?: number;
}

/** An axis laid over pixels: `to` is where `max` stands. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  /** Pixels of a value; values outside stay at the ends. */
  at(value: number): number;
  /** The number at a tick. */
  text(tick: number): string;
}

/** Covers `values` from zero on, up to a whole step, unless the axis says otherwise. `count`: about so many ticks. */
export function createScale(axis: Axis, values: readonly number[], from: number, to: number, count: number): Scale {
  const least = axis.min ?? values.reduce((a, b) => Math.min(a, b), 0);
  const most = axis.max ?? values.reduce((a, b) => Math.max(a, b), least);
  const span = most > least ? most - least : 1;
  const step = niceStep(span / count);
  const min = axis.min ?? Math.floor(least / step) * step;
  const max = axis.max ?? Math.max(min + step, Math.ceil((least + span) / step - 1e-9) * step);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return {
    min,
    max,
    ticks,
    at: (value) => from + ((Math.min(max, Math.max(min, value)) - min) / (max - min)) * (to - from),
    text: (tick) => tick.toFixed(digits),
  };
}

/** The least of 1, 2, 5 times a power of ten that is not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5]) if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}
