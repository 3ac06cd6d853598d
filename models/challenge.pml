/* Can somebody on the path aim the data of a flow at others? C moves, and some of its packets are repeated from the address of a
   victim, before or after they arrive. Asserted: never more than the limited answer goes there; at the end data goes
   where C is, and that has answered. */
#define FORGERIES 2
#include "places.pml"
