// Axes of a plot: where ticks stand and how their numbers read. Steps are 1, 2 or 5 times a power of ten, and a range
// that is not given begins at zero, so that no difference looks larger than it is. A logarithmic axis has whole powers of ten.

export interface Axis {
  readonly label: string;
  readonly unit: string;
  readonly min?: number;
  readonly max?: number;
  /** For values above zero, from one power of ten to another; what is not is left at the edge. */
  readonly logarithmic?: boolean;
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
  if (axis.logarithmic) return createLogarithmicScale(axis, values, from, to);
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

function createLogarithmicScale(axis: Axis, values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0);
  const first = Math.floor(Math.log10(axis.min ?? Math.min(...positive, Infinity)) + 1e-9);
  const least = Number.isFinite(first) ? first : 0;
  const most = Math.max(least + 1, Math.ceil(Math.log10(axis.max ?? Math.max(...positive, 1)) - 1e-9));
  const place = (value: number): number => Math.min(most, Math.max(least, value > 0 ? Math.log10(value) : least));
  return {
    min: 10 ** least,
    max: 10 ** most,
    ticks: Array.from({ length: most - least + 1 }, (_, i) => 10 ** (least + i)),
    at: (value) => from + ((place(value) - least) / (most - least)) * (to - from),
    text: formatPower,
  };
}

/** 0.01, 100, 10k, 1M */
function formatPower(value: number): string {
  if (value < 1) return value.toFixed(Math.round(-Math.log10(value)));
  const thousands = Math.min(3, Math.floor(Math.log10(value) / 3 + 1e-9));
  return `${Math.round(value / 1000 ** thousands)}${['', 'k', 'M', 'G'][thousands]}`;
}

/** The least of 1, 2, 5 times a power of ten that is not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5]) if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}
