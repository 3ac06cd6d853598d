// What `npm run model` checks: each run with the model, what is claimed of it, and what must come out: `holds`, or for a
// variant of the rule that is known to fail `violated` (an assertion) or `livelock` (a run without an end). `forever`: every
// packet may arrive at any time, any number of times or never, and only safety is checked. Otherwise assertions and
// progress are, with as many losses and repetitions as the model says (one each). The bounds are what ten minutes allow.

/** Moves of each end, in the words of the table and in those of the models. */
const two = (a, s) => [`MOVES_A=${a}`, `MOVES_S=${s}`, 'ROOM=4'];
const three = (a, b, s) => [`MOVES_A=${a}`, `MOVES_B=${b}`, `MOVES_S=${s}`, 'ROOM=4'];
const safely = (flags) => flags.filter((flag) => flag !== 'ROOM=4');

const holds = (model, claim, flags, quick = false) => ({
  model,
  claim,
  expected: 'holds',
  forever: false,
  flags,
  quick,
});
const forever = (model, claim, flags, quick = false) => ({
  ...holds(model, claim, safely(flags), quick),
  forever: true,
});
const fails = (model, claim, expected, flags, quick = false) => ({ ...holds(model, claim, flags, quick), expected });
const failsForever = (model, claim, flags) => ({ ...forever(model, claim, flags), expected: 'violated' });

export const modelRuns = [
  forever('renegotiation', '4 + 3 moves, any network: safe', two(4, 3)),
  holds('renegotiation', '3 + 3 moves: they agree', two(3, 3)),
  holds('renegotiation', '5 + 2 moves: they agree', two(5, 2)),
  holds('renegotiation', '2 + 2 moves: they agree', two(2, 2), true),
  failsForever('renegotiation', 'commits whatever is new', [...two(2, 1), 'ANY']),
  failsForever('renegotiation', 'forgets what is acknowledged', [...two(2, 1), 'FORGET']),
  fails('renegotiation', 'no rendezvous', 'livelock', [...two(1, 1), 'NORENDEZVOUS'], true),
  forever('copies', '1 + 2 + 2 moves, any network: safe', three(1, 2, 2)),
  forever('copies', '2 + 1 + 2 moves, any network: safe', three(2, 1, 2)),
  holds('copies', '1 + 2 + 2 moves: one copy wins', three(1, 2, 2)),
  holds('copies', '2 + 2 + 1 moves: one copy wins', three(2, 2, 1)),
  holds('copies', '1 + 1 + 1 moves: one copy wins', three(1, 1, 1), true),
  holds('copies', '1 + 1 + 2 moves, known to a router for long', [...three(1, 1, 2), 'LINGER']),
  failsForever('copies', 'compares numbers of moves', [...three(1, 2, 1), 'COUNTER']),
  failsForever('copies', 'forgets what is acknowledged', [...three(1, 1, 1), 'FORGET']),
  failsForever('copies', 'takes an unknown echo for an own id', [...three(1, 1, 1), 'NOECHO']),
  fails('copies', 'listens to where nobody said to be', 'violated', [...three(1, 1, 1), 'NOPIN'], true),
  fails('copies', 'asks back who asks', 'livelock', [...three(1, 1, 2), 'ASKBACK']),
  fails('copies', 'hears only RSYN from elsewhere', 'livelock', [...three(1, 1, 2), 'DEAF', 'LINGER']),
  forever('cap', '5 + 1 moves with room for 2: safe', []),
  holds('cap', '5 + 1 moves with room for 2', ['ROOM=4']),
  fails('cap', 'drops what the peer has', 'livelock', ['NOCAP', 'ROOM=4'], true),
  holds('soft', '3 moves to places that may be dead', [], true),
  fails('soft', 'believes what an RSYN says', 'violated', ['NOCHALLENGE']),
  fails('soft', 'takes nothing back', 'livelock', ['NOTAKEBACK']),
  fails('soft', 'commits whatever is new', 'livelock', ['NOLINEAGE']),
  holds('challenge', '3 moves, 2 packets from a victim', [], true),
  fails('challenge', 'believes what an RSYN says', 'violated', ['NOCHALLENGE'], true),
  fails('challenge', 'a token for every place', 'violated', ['NOTOKEN']),
  holds('handoff', 'the peer moves twice meanwhile', [], true),
  holds('handoff', 'and the exporter takes it back', ['RETAKE']),
  fails('handoff', 'nothing is passed on', 'livelock', ['NOFORWARD']),
  fails('handoff', 'sends before it is committed', 'violated', ['EAGER']),
  fails('handoff', 'tags without epochs', 'livelock', ['RETAKE', 'NOEPOCH']),
  holds('failover', 'a death, a false suspicion', [], true),
  fails('failover', 'packets are of no flow', 'violated', ['NOFLOWID']),
  fails('failover', 'versions are not compared', 'violated', ['NOTAG'], true),
  fails('failover', 'goes back to the dead instance', 'livelock', ['NOAVOID']),
];
