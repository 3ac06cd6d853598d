/* Do two ends that move find each other, and agree, whatever the network does? Both may move at once, and before anything of
   the move before was answered. Asserted: nobody commits an older move after a newer one (stale RSYNs), nobody is told
   that it was superseded, and at the end each sends to where the other is. */
#ifndef MOVES_A
#define MOVES_A 3
#define MOVES_S 3
#endif
#include "ends.pml"
