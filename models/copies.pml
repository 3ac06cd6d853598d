/* One end is copied at some moment, by a snapshot or a clone, and both copies go on. Does exactly one of them win? Asserted: S
   never goes over from one copy to the other; never both have heard that their move is committed; only who lost is
   told so; at the end one copy is left, and it and S agree. */
#define COPY
#ifndef MOVES_A
#define MOVES_A 1
#define MOVES_B 1
#define MOVES_S 1
#endif
#include "ends.pml"
