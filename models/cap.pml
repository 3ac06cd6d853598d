/* How many moves may the peer have missed? LINEAGE has room for CAP ids behind the last one that the peer is known to have
   committed, and the flow ends with an error when it would have to drop that one. CAP is 2 here, 64 in moves.ts: what
   matters is that an end makes more moves than it may keep. Asserted: the same as in renegotiation.pml. */
#define CAP 2
#ifndef MOVES_A
#define MOVES_A 5
#define MOVES_S 1
#endif
#include "ends.pml"
