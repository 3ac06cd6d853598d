/* Does a connection that is handed to another process go on in exactly one of both? The exporter (A) stands still, gives its
   state away, and passes on what still comes; the importer (B) moves. The peer (S) may move meanwhile, to where neither looks for it: that the exporter passes its RSYN on is what
   brings them together (double migration with redirection). RETAKE: the exporter may take the connection back, and ends
   that wait are found through the router; without, nobody asks a router.
   Asserted: nothing is sealed twice under one key; S takes data only from the end whose move it has committed; who lost ends;
   at the end one of both is left, and it and S agree.
   Variants: SAMEKEY takes back without a branch; EAGER sends before the move is committed; NOFORWARD drops what still comes;
   NOEPOCH lets an end that went on before be heard again, by tags that do not change. */
#define NA 1                        /* the exporter's move when it takes the connection back; the importer's is 2 */
#ifndef MOVES_S
#define MOVES_S 2
#endif
#define bothAccepted (ends[A].cur == NA && ends[A].known == NA && ends[B].alive && ends[B].known > NA)
#include "moves.pml"

/* The exporter does not change its address: both its places are one. */
#define isAt(e, place) (e == A && place <= NA || e != A && ends[e].cur == (place))
#define mayArrive(sort, side, x, y) true
#include "network.pml"

mtype = { OPEN, EXPORTED, RETAKEN, LEFT };
mtype phase = OPEN;
bool imported = false;
byte left = MOVES_S;
byte type, side, from, x, y, to, new;
bool grown, over = false;
/* Keys of S's reader: 1 is the next one, which the importer has, 2 its branch, which the exporter keeps. */
byte reads = 1, sealer[3];

#ifdef NOEPOCH
#define isAuthentic(id) true
#define isPresentEpoch(id) true
#else
/* Epochs: 0 before, 1 the importer's, 2 the exporter's; an RSYN may be ahead, and nothing behind. */
#define epoch(id) (id == 0 -> 0 : (id == NA -> 2 : 1))
#define isAuthentic(id) (epoch(id) >= epoch(ends[S].peer))
#define isPresentEpoch(id) (epoch(id) == epoch(ends[S].peer))
#endif
#define isForwarding (phase == EXPORTED || phase == LEFT)

inline tell(e) { send(RSYN, 1 - SIDE(e), ends[e].cur, 0, ends[e].peer) }
inline tellIfWaiting(e) { if :: waits(e) -> tell(e) :: else fi }

inline move(e, id) {
  new = id;
  mint(e, new);
  new = 0;
  tell(e)
}

/* One record, under the key that the end has; S may take it. */
inline sendRecord(e, key) {
  assert(sealer[key] == 0 || sealer[key] == e + 1);
  sealer[key] = e + 1;
  if
  :: !isElsewhere(S, ends[e].cur) && (reads == key || reads == 1 && key == 2) ->
    assert(ends[S].peer == ends[e].cur);
    reads = key
  :: else
  fi
}
#ifdef EAGER
#define maySend(e) ends[e].alive
#else
#define maySend(e) (ends[e].alive && !waits(e))
#endif
#ifdef SAMEKEY
#define branch 1
#else
#define branch 2
#endif

#define isPresent(place) (isAt(A, place) && (isForwarding || ends[A].alive) || ends[B].alive && isAt(B, place))
inline findReceiver() {
  to = NOBODY;
  if :: type == FAIL -> at = x :: else -> at = y fi;
  if
  :: side == 1 && isAt(S, at) -> to = S
  :: side == 0 && isAt(A, at) && !isForwarding && ends[A].alive -> to = A
#ifndef NOFORWARD
  :: side == 0 && isAt(A, at) && isForwarding ->
    if :: ends[B].alive && (type == RSYN || !isElsewhere(A, from)) -> to = B :: else fi
#endif
  :: side == 0 && isAt(B, at) && ends[B].alive -> to = B
#ifdef RETAKE
  :: side == 1 && !isAt(S, at) && type == RSYN && waits(S) -> to = S
  :: side == 0 && !isPresent(at) && type == RSYN && waits(A) -> to = A
  :: side == 0 && !isPresent(at) && type == RSYN && waits(B) -> to = B
#endif
  :: else
  fi;
  at = 0
}

/* Nothing answers the RSYN at hand, or ever will: who tells it gives up, and tells nobody. */
inline giveUp() {
  if
  :: from > NA && ends[B].alive && waits(B) -> assert(ends[S].peer <= NA); ends[B].alive = false
  :: from == NA && ends[A].alive && waits(A) -> assert(ends[S].peer != NA); ends[A].alive = false
  :: else
  fi
}

inline handleRsyn() {
  if
  :: to == S && !isAuthentic(from) ->
    giveUp()
  :: (to != S || isAuthentic(from)) && (from == ends[to].peer || commits(to, from, y)) ->
    if
    :: from == ends[to].peer ->
      grown = isOwn(to, y) && y > ends[to].known;
      acknowledge(to, y)
    :: else ->
      assert(to != S || ends[S].peer == 0);   /* S commits one of both moves, once */
      ends[to].peer = from;
      ends[to].known = y;
      grown = true
    fi;
    send(ACK, 1 - SIDE(to), ends[to].cur, 0, from);
    if :: grown -> grown = false; tellIfWaiting(to) :: else fi
  :: else ->
    if :: waits(to) :: else -> send(FAIL, 1 - SIDE(to), ends[to].cur, from, ends[to].peer) fi
  fi
}

inline handle() {
  if
  :: to == NOBODY ->
    /* S has moved on, with the other one. */
    if :: type == RSYN && side == 1 && !waits(S) && y == ends[(from > NA -> B : A)].peer -> giveUp() :: else fi
  :: to != NOBODY && type == RSYN -> handleRsyn()
  :: to != NOBODY && type == FAIL ->
    if
    :: isSuperseded(to, from, x, y) ->
      assert(to == A && ends[S].peer > NA);
      ends[A].alive = false
    :: else
    fi
  :: to != NOBODY && type == ACK ->
    if :: to == S && (!isPresentEpoch(from) || isElsewhere(S, from)) :: else -> acknowledge(to, y) fi
  :: else -> skip
  fi
}

active proctype world() {
  d_step {
    ends[A].alive = true; ends[A].own = 1;
    ends[S].alive = true; ends[S].own = 1;
    line[INDEX(0, 0)] = 1; line[INDEX(1, 0)] = 1
  }
  do
  :: atomic { phase == OPEN && !waits(A) ->
      phase = EXPORTED;
      ends[B].cur = ends[A].cur; ends[B].known = ends[A].known; ends[B].peer = ends[A].peer; ends[B].own = ends[A].own }
  :: atomic { phase != OPEN && !imported -> imported = true; ends[B].alive = true; move(B, NA + 1) }
#ifdef RETAKE
  :: atomic { phase == EXPORTED -> phase = RETAKEN; move(A, NA) }
#endif
  :: atomic { phase == EXPORTED && ends[B].alive && !waits(B) -> phase = LEFT; ends[A].alive = false }
  :: atomic { left > 0 -> left--; move(S, ends[S].cur + 1) }
  :: atomic { ends[B].alive && maySend(B) && sealer[1] == 0 -> sendRecord(B, 1) }
  :: atomic { phase == RETAKEN && maySend(A) && sealer[branch] != 1 -> sendRecord(A, branch) }
  :: atomic { under > 0 ->
      at = 0;
      do :: at + 1 < under -> at++ :: break od; skip;
      m = net[at];
      y = m % 16; x = (m / 16) % 16; from = (m / 256) % 16; side = (m / 4096) % 2; type = m / 8192; m = 0;
      if
      :: twice > 0 -> twice--; at = 0
      :: remove();
        if :: lost > 0 -> lost--; type = 4 :: true fi
      fi;
      if :: type == 4 -> skip :: else -> findReceiver(); handle() fi;
      type = 0; side = 0; from = 0; x = 0; y = 0; to = 0 }
  /* A timeout; handing over takes less time than for ever. */
  :: atomic { under == 0 && (waits(A) || waits(B) || waits(S)) && (phase != EXPORTED || imported) ->
      tellIfWaiting(A); tellIfWaiting(B); tellIfWaiting(S) }
  :: atomic { under == 0 && !waits(A) && !waits(B) && !waits(S) && phase != EXPORTED ->
      if
      :: ends[A].alive ->
        assert(!ends[B].alive && ends[S].peer == ends[A].cur && ends[A].peer == ends[S].cur)
      :: else -> assert(ends[B].alive && ends[S].peer == ends[B].cur && ends[B].peer == ends[S].cur)
      fi;
      break }
  od;
  over = true
}

ltl ends_ { <> over }
