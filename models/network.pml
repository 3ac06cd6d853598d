/* The network of all models: a set of packets under way, any of which may be taken next (reordering).
   A packet is one number, so that the set can be kept sorted: two orders of sending the same are one state.
   Bounded (to check progress): LOSS packets are lost, DUP come twice, and a packet that meets nobody is gone.
   FOREVER (to check safety): every packet ever sent may arrive at any time from then on, any number of times, or never. */
#ifndef LOSS
#define LOSS 1
#endif
#ifndef DUP
#define DUP 1
#endif
#ifndef ROOM
#define ROOM 6                      /* packets under way at once; full: what would be sent is lost */
#endif

#define RSYN 0                      /* from: its move; y: echo, and the place that it goes to */
#define ACK 1                       /* RSYN+ACK. from: place; y: the move that is committed, and the place that it goes to */
#define FAIL 2                      /* superseded. from: place, hence lineage; x: the move refused, and the place; y: the one committed */
#define ASK 3                       /* RSYN+ACK with ELSEWHERE. from: place; y: the place that it goes to */
#define PACKET(t, side, from, x, y) ((((t) * 2 + (side)) * 4096) + (from) * 256 + (x) * 16 + (y))

short net[ROOM];
byte under = 0;                     /* how many are under way */
byte lost = LOSS, twice = DUP;
short m, swap; byte at;             /* work space: 0 between steps */

/* Takes the packet at index `at` out. */
inline drop() {
  m = at;
  do :: m + 1 < under -> net[m] = net[m + 1]; m++ :: else -> break od;
  net[m] = 0; under--; m = 0
}

/* Keeps `net` sorted; what is under way already stays once. */
inline send(sort, toward, sender, third, fourth) {
  d_step {
    m = PACKET(sort, toward, sender, third, fourth); at = 0;
    do :: at < under && net[at] < m -> at++ :: else -> break od;
    if
    :: at < under && net[at] == m || !mayArrive(sort, toward, third, fourth) -> skip
    :: else ->
#ifdef FOREVER
      assert(under < ROOM);         /* nothing may be lost for want of room here */
#endif
      if
      :: under < ROOM ->
        under++;
        do :: at < under -> swap = net[at]; net[at] = m; m = swap; at++ :: else -> break od;
        swap = 0
      :: else
      fi
    fi;
    m = 0; at = 0
  }
}

#define placeOf(packet) (packet / 8192 == FAIL -> (packet / 16) % 16 : packet % 16)
#define isLost(packet, toward, place) \
  (packet / 8192 != RSYN && (packet / 4096) % 2 == toward && placeOf(packet) == place)

/* All but RSYN to a place that was left: they would meet nobody. */
inline forget(toward, place) {
  d_step {
    at = 0;
    do
    :: at < under && isLost(net[at], toward, place) -> drop()
    :: at < under && !isLost(net[at], toward, place) -> at++
    :: else -> break
    od;
    at = 0
  }
}

/* All from the places `least` to `most` to the other side: a packet lives shorter than the time after which its sender gives up. */
inline forgetFrom(least, most) {
  d_step {
    at = 0;
    do
    :: at < under && net[at] / 4096 % 2 == 1 && net[at] / 256 % 16 >= least && net[at] / 256 % 16 <= most -> drop()
    :: at < under && !(net[at] / 4096 % 2 == 1 && net[at] / 256 % 16 >= least && net[at] / 256 % 16 <= most) -> at++
    :: else -> break
    od;
    at = 0
  }
}

inline remove() { d_step { drop(); at = 0 } }
