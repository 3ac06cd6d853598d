// Plots as SVG text: lines, steps and points over two axes, from measured data alone. A file stands by itself: no script,
// no fonts from elsewhere, colours of its own for light and dark readers. A charting library was rejected: it would be a
// dependency of the product for a few hundred lines of text.

import { type Axis, createScale, type Scale } from './axis.ts';

export interface Series {
  readonly name: string;
  /** `step`: a value holds until the next one. */
  readonly kind: 'line' | 'step' | 'points';
  readonly points: readonly (readonly [number, number])[];
}

/** Something that happened at a place of the x axis. */
export interface Mark {
  readonly at: number;
  readonly label: string;
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly marks?: readonly Mark[];
}

export interface Chart {
  readonly title: string;
  /** The figures, in words. */
  readonly subtitle: string;
  readonly panels: readonly Panel[];
}

const width = 860;
const left = 70;
const right = 24;
const headHeight = 62;
const panelHeight = 330;
/** Within a panel: where the plot begins and ends. */
const top = 54;
const bottom = panelHeight - 52;
const legendAt = 38;
const markRows = 4;
/** Generous: system fonts differ. */
const pixelsPerCharacter = 6.6;

export function renderChart({ title, subtitle, panels }: Chart): string {
  const height = headHeight + panels.length * panelHeight;
  const parts = panels.map(
    (panel, i) => `<g transform="translate(0 ${headHeight + i * panelHeight})">${renderPanel(panel)}</g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(`${title}: ${subtitle}`)}</title>`,
    `<style>${style}</style>`,
    `<rect class="back" width="${width}" height="${height}"/>`,
    `<text class="title" x="${left}" y="28">${escaped(title)}</text>`,
    `<text class="figures" x="${left}" y="50">${escaped(subtitle)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function renderPanel(panel: Panel): string {
  const points = panel.series.flatMap((series) => series.points);
  const marks = panel.marks ?? [];
  const xs = [...points.map(([x]) => x), ...marks.map(({ at }) => at)];
  const x = createScale(panel.x, xs, left, width - right, 10);
  const y = createScale(
    panel.y,
    points.map(([, value]) => value),
    bottom,
    top,
    5,
  );
  return [
    `<text class="panel" x="${left}" y="20">${escaped(panel.title)}</text>`,
    renderLegend(panel.series),
    renderAxes(panel, x, y),
    renderMarks(marks, x),
    ...panel.series.map((series, i) => renderSeries(series, i, x, y)),
  ].join('\n');
}

function renderLegend(series: readonly Series[]): string {
  let at = left;
  return series
    .map(({ name }, i) => {
      const key = `<rect class="key c${i % colours.length}" x="${at}" y="${legendAt - 7}" width="16" height="5"/>`;
      const text = `<text class="small" x="${at + 22}" y="${legendAt}">${escaped(name)}</text>`;
      at += 44 + name.length * pixelsPerCharacter;
      return key + text;
    })
    .join('\n');
}

function renderAxes(panel: Panel, x: Scale, y: Scale): string {
  const grid = y.ticks.map((tick) => {
    const at = pixels(y.at(tick));
    return `<path class="grid" d="M${left} ${at}H${width - right}"/><text class="small end" x="${left - 8}" y="${pixels(y.at(tick) + 4)}">${y.text(tick)}</text>`;
  });
  const ticks = x.ticks.map((tick) => {
    const at = pixels(x.at(tick));
    return `<path class="axis" d="M${at} ${bottom}v5"/><text class="small middle" x="${at}" y="${bottom + 19}">${x.text(tick)}</text>`;
  });
  const middle = (top + bottom) / 2;
  return [
    ...grid,
    ...ticks,
    `<path class="axis" d="M${left} ${top}V${bottom}H${width - right}"/>`,
    `<text class="small middle" x="${(left + width - right) / 2}" y="${bottom + 38}">${escaped(withUnit(panel.x))}</text>`,
    `<text class="small middle" transform="translate(18 ${middle}) rotate(-90)">${escaped(withUnit(panel.y))}</text>`,
  ].join('\n');
}

/** Labels stand beside their lines; one that would run into an earlier one moves down a row. */
function renderMarks(marks: readonly Mark[], x: Scale): string {
  const rowEnds = new Array<number>(markRows).fill(Number.NEGATIVE_INFINITY);
  return [...marks]
    .sort((a, b) => a.at - b.at)
    .map(({ at, label }) => {
      const line = x.at(at);
      const long = label.length * pixelsPerCharacter;
      const before = line + 5 + long > width - right;
      const start = before ? line - 5 - long : line + 5;
      const row = Math.max(
        0,
        rowEnds.findIndex((end) => end < start),
      );
      rowEnds[row] = start + long;
      const text = `<text class="small ${before ? 'end' : ''}" x="${pixels(before ? line - 5 : line + 5)}" y="${top + 12 + row * 14}">${escaped(label)}</text>`;
      return `<path class="mark" d="M${pixels(line)} ${top}V${bottom}"/>${text}`;
    })
    .join('\n');
}

function renderSeries({ kind, points }: Series, index: number, x: Scale, y: Scale): string {
  const places = points.map(([px, py]) => [pixels(x.at(px)), pixels(y.at(py))] as const);
  const colour = `c${index % colours.length}`;
  const [first, ...rest] = places;
  if (first === undefined) return '';
  if (kind === 'points')
    return places.map(([px, py]) => `<circle class="key ${colour}" cx="${px}" cy="${py}" r="2.2"/>`).join('');
  const to =
    kind === 'line'
      ? ([px, py]: readonly [string, string]) => `L${px} ${py}`
      : ([px, py]: readonly [string, string]) => `H${px}V${py}`;
  return `<path class="curve ${colour}" d="M${first.join(' ')}${rest.map(to).join('')}"/>`;
}

function withUnit({ label, unit }: Axis): string {
  return unit === '' ? label : `${label} (${unit})`;
}

function pixels(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Of each series in turn, on a light and on a dark ground; told apart by colour-blind readers too (Okabe and Ito). */
const colours = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#ff9248'],
  ['#00806a', '#30c9a0'],
  ['#b0508a', '#e39cc4'],
  ['#8a6d00', '#f0c419'],
] as const;

const palette = (of: 0 | 1): string =>
  colours.map((pair, i) => `.key.c${i}{fill:${pair[of]}}.curve.c${i}{stroke:${pair[of]}}`).join('');

const style = `
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1f2328}
.title{font-size:17px;font-weight:600}.figures{font-size:13px}.panel{font-size:13px;font-weight:600}.small{font-size:11.5px}
.end{text-anchor:end}.middle{text-anchor:middle}
.back{fill:#fff}.axis,.grid,.mark,.curve{fill:none}.axis{stroke:#59636e}.grid{stroke:#d8dee4}.mark{stroke:#59636e;stroke-dasharray:3 3}
.curve{stroke-width:1.6;stroke-linejoin:round}${palette(0)}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117}.axis,.mark{stroke:#9198a1}.grid{stroke:#30363d}${palette(1)}}
`;
