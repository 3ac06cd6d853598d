// The message patterns that the published vectors use (Noise rev. 34 sections 7.4, 7.5 and 18.1): all fundamental ones and
// all deferred ones. N, NX and XX are not here: the test takes those from the product. Static keys in square brackets are
// known beforehand: the initiator's before the slash, the responder's behind it.

import type { Pattern, Token } from '../../../src/core/security/index.ts';

const notation = `
K    [s/s] e es ss
X    [/s]  e es s ss
NN   [/]   e          | e ee
NK   [/s]  e es       | e ee
XN   [/]   e          | e ee         | s se
XK   [/s]  e es       | e ee         | s se
KN   [s/]  e          | e ee se
KK   [s/s] e es ss    | e ee se
KX   [s/]  e          | e ee se s es
IN   [/]   e s        | e ee se
IK   [/s]  e es s ss  | e ee se
IX   [/]   e s        | e ee se s es
NK1  [/s]  e          | e ee es
NX1  [/]   e          | e ee s       | es
X1N  [/]   e          | e ee         | s       | se
X1K  [/s]  e es       | e ee         | s       | se
XK1  [/s]  e          | e ee es      | s se
X1K1 [/s]  e          | e ee es      | s       | se
X1X  [/]   e          | e ee s es    | s       | se
XX1  [/]   e          | e ee s       | es s se
X1X1 [/]   e          | e ee s       | es s    | se
K1N  [s/]  e          | e ee         | se
K1K  [s/s] e es       | e ee         | se
KK1  [s/s] e          | e ee se es
K1K1 [s/s] e          | e ee es      | se
K1X  [s/]  e          | e ee s es    | se
KX1  [s/]  e          | e ee se s    | es
K1X1 [s/]  e          | e ee s       | se es
I1N  [/]   e s        | e ee         | se
I1K  [/s]  e es s     | e ee         | se
IK1  [/s]  e s        | e ee se es
I1K1 [/s]  e s        | e ee es      | se
I1X  [/]   e s        | e ee s es    | se
IX1  [/]   e s        | e ee se s    | es
I1X1 [/]   e s        | e ee s       | se es
`;

/** By name. */
export const otherPatterns: ReadonlyMap<string, Pattern> = new Map(
  notation
    .trim()
    .split('\n')
    .map((line) => {
      const pattern = parse(line);
      return [pattern.name, pattern];
    }),
);

function parse(line: string): Pattern {
  const match = /^(\w+) +\[(s?)\/(s?)\] +(.+)$/.exec(line);
  if (match === null) throw new Error(`not a pattern: ${line}`);
  const [, name = '', initiator, responder, messages = ''] = match;
  return {
    name,
    initiatorKnown: initiator === 's',
    responderKnown: responder === 's',
    messages: messages.split('|').map((tokens) => tokens.trim().split(' ') as Token[]),
  };
}
