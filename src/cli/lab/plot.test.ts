import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScale } from './axis.ts';
import { type Panel, renderChart } from './plot.ts';

const x = { label: 'time', unit: 's' };
const y = { label: 'rate', unit: 'Mbit/s' };
const render = (panel: Partial<Panel>): string =>
  renderChart({ title: 'A & B', subtitle: 'x < 1', panels: [{ title: 'one', x, y, series: [], ...panel }] });

test('plot: an axis begins at zero, ends at a whole step, and its ticks are round', () => {
  const scale = createScale(y, [3, 97], 100, 0, 5);
  assert.deepEqual([scale.min, scale.max, scale.ticks.length], [0, 100, 6]);
  assert.deepEqual(scale.ticks.map(scale.text), ['0', '20', '40', '60', '80', '100']);
  assert.deepEqual([scale.at(0), scale.at(50), scale.at(100)], [100, 50, 0]);
});

test('plot: small, negative and equal values have an axis, too', () => {
  assert.deepEqual([...createScale(y, [0.0123], 0, 1, 5).ticks].length, 4);
  assert.equal(createScale(y, [0.013], 0, 1, 5).text(0.005), '0.005');
  assert.equal(createScale(y, [-7, 3], 0, 1, 5).min, -8);
  for (const values of [[], [0], [0, 0]]) assert.ok(createScale(y, values, 0, 1, 5).max > 0);
});

test('plot: a logarithmic axis goes from power to power of ten, and keeps what is not above zero at its edge', () => {
  const scale = createScale({ ...y, logarithmic: true }, [0.05, 20_000], 0, 700, 5);
  assert.deepEqual([scale.min, scale.max], [0.01, 100_000]);
  assert.deepEqual(scale.ticks.map(scale.text), ['0.01', '0.1', '1', '10', '100', '1k', '10k', '100k']);
  assert.deepEqual([scale.at(0.01), scale.at(1), scale.at(100_000), scale.at(0)], [0, 200, 700, 0]);
  for (const values of [[], [1]]) assert.ok(createScale({ ...y, logarithmic: true }, values, 0, 1, 5).max > 1);
});

test('plot: a given range is kept, and what lies outside stays at its edge', () => {
  const scale = createScale({ ...y, min: 10, max: 25 }, [0, 100], 0, 150, 5);
  assert.deepEqual([scale.min, scale.max, scale.at(5), scale.at(30)], [10, 25, 0, 150]);
});

test('plot: a line goes through the points, a step holds each until the next', () => {
  const points = [
    [0, 0],
    [5, 10],
    [10, 5],
  ] as const;
  const line = render({ series: [{ name: 'a', kind: 'line', points }] });
  assert.match(line, /d="M70 278L453 54L836 166"/);
  const step = render({ series: [{ name: 'a', kind: 'step', points }] });
  assert.match(step, /d="M70 278H453V54H836V166"/);
  const dots = render({ series: [{ name: 'a', kind: 'points', points }] });
  assert.equal(dots.match(/<circle/g)?.length, 3);
});

test('plot: titles, figures, axes with units, legend and marks are in it, escaped', () => {
  const text = render({
    series: [
      { name: 'first', kind: 'line', points: [[0, 1]] },
      { name: 'second', kind: 'line', points: [] },
    ],
    marks: [
      { at: 3, label: 'kill -9' },
      { at: 3.1, label: 'again' },
    ],
  });
  for (const part of ['A &#38; B', 'x &#60; 1', 'time (s)', 'rate (Mbit/s)', '>first<', '>second<', '>kill -9<'])
    assert.ok(text.includes(part), part);
  // The second label would run into the first: it stands a row lower.
  assert.match(text, /y="66">kill -9</);
  assert.match(text, /y="80">again</);
});

test('plot: it stands by itself and suits light and dark readers', () => {
  const text = render({});
  assert.doesNotMatch(text.replace('xmlns="http://www.w3.org/2000/svg"', ''), /https?:|@import|<script|url\(/);
  assert.match(text, /prefers-color-scheme:dark/);
});
