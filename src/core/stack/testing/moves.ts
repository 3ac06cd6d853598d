// The rule of moves without the stack around it, for the model tests: they drive it through every order of events, which
// takes more states than a stack could be made for.

export {
  acknowledgeMove,
  commitMove,
  createMoves,
  currentMove,
  isSuperseded,
  judgeMove,
  lineageOf,
  type Moves,
  mintMove,
  untoldMoves,
} from '../moves.ts';
