// `stream` by writes of one size after another: what a message costs beside what its bytes cost. Nobody joins small writes here
// but the transports themselves, each in its own way.

import { type Bench, figureOfEach, median } from './bench.ts';
import { stream } from './stream.ts';

export const size: Bench = {
  ...stream,
  points: { of: 'bytes', values: [1, 16, 256, 4096, 65_536, 1_048_576] },

  figures: (samples, options) => ({
    ...stream.figures?.(samples, options),
    ...figureOfEach(
      'messagesPerSecond',
      samples,
      (list) => (median(list.map(({ value }) => value)) * 1e9) / 8 / (options.at ?? 1),
    ),
  }),
};
