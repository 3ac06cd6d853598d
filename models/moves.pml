/* The rule of moves.ts (docs/protocol.md, "Moves"), and variants of it that are known to fail.
   Ids are drawn at random there and numbered here: 0 is where the flow was opened. Both sides number by themselves. An
   id's LINEAGE is what its end kept when it minted it, so a packet need not carry it.
   Variants: ANY commits whatever is new; COUNTER compares the number of moves; FORGET drops what is acknowledged;
   NOECHO commits without looking at the echo, and takes one that it does not know for its last move; NOCAP goes on when the
   window holds nothing that the peer has; NOPIN listens to packets from everywhere. */
#define A 0                         /* an end */
#define B 1                         /* its copy, if it has one */
#define S 2                         /* the other end */
#define NOBODY 3
#define SIDE(e) ((e) / 2)
#define BIT(i) (1 << (i))
#ifndef CAP
#define CAP 12                      /* 64 in moves.ts; the window has one more */
#endif

typedef End {
  bool alive;
  byte cur;                         /* its newest move: where it is */
  byte known;                       /* the last of its moves that it knows to be committed */
  byte peer;                        /* the peer's move that it has committed */
  short own                         /* the window: a set, whose order is that of the numbers */
}
End ends[3];
bool tooMany = false;               /* a flow ended because of CAP */
short line[32];                     /* LINEAGE of each move */
#ifdef COUNTER
byte count[32];
#endif

#define INDEX(side, id) ((side) * 16 + (id))
#define isOwn(e, id) ((ends[e].own & BIT(id)) != 0)
#define tells(side, id, of) ((line[INDEX(side, id)] & BIT(of)) != 0)
#define waits(e) (ends[e].alive && ends[e].cur != ends[e].known)
/* Once the peer has said where it is, packets from elsewhere count for nothing; but RSYN and FAIL, which judge
   themselves, and the question where it is. */
#ifdef NOPIN
#define isElsewhere(e, from) false
#else
#define isElsewhere(e, from) (ends[e].peer != 0 && (from) != ends[e].peer)
#endif

#if defined(ANY)
#define commits(e, id, echo) ((id) != ends[e].peer)
#elif defined(COUNTER)
#define commits(e, id, echo) (count[INDEX(1 - SIDE(e), id)] > count[INDEX(1 - SIDE(e), ends[e].peer)])
#elif defined(NOECHO)
#define commits(e, id, echo) ((id) != ends[e].peer && tells(1 - SIDE(e), id, ends[e].peer))
#else
#define commits(e, id, echo) ((id) != ends[e].peer && tells(1 - SIDE(e), id, ends[e].peer) && isOwn(e, echo))
#endif

/* FAIL from a peer at `from`, which has committed `other` and not `id`. */
#define isSuperseded(e, from, id, other) \
  ((id) == ends[e].cur && tells(1 - SIDE(e), from, ends[e].peer) && !isOwn(e, other))

byte untold, kept, bits;            /* work space */
#define countMoves(e) \
  untold = 0; kept = 0; bits = 0; \
  do \
  :: bits < 16 -> \
    if :: isOwn(e, bits) -> kept++; if :: bits > ends[e].known -> untold++ :: else fi :: else fi; \
    bits++ \
  :: else -> break \
  od; \
  bits = 0

/* Mints `id`; or ends the flow, because the peer may have missed more than a lineage holds. */
inline mint(e, id) {
  d_step {
    countMoves(e);
    if
#ifndef NOCAP
    :: untold >= CAP -> ends[e].alive = false; tooMany = true
#endif
    :: else ->
      ends[e].own = ends[e].own | BIT(id);
      if
      :: kept > CAP ->
        do :: !isOwn(e, bits) -> bits++ :: else -> break od;
        ends[e].own = ends[e].own & ~BIT(bits); bits = 0
      :: else
      fi;
#ifdef COUNTER
      count[INDEX(SIDE(e), id)] = count[INDEX(SIDE(e), ends[e].cur)] + 1;
#endif
      ends[e].cur = id;
      line[INDEX(SIDE(e), id)] = ends[e].own
    fi;
    untold = 0; kept = 0
  }
}

inline acknowledge(e, id) {
  if
  :: isOwn(e, id) && id > ends[e].known ->
    ends[e].known = id;
#ifdef FORGET
    ends[e].own = ends[e].own & ~(BIT(id) - 1);
#endif
    assert(!bothAccepted)
  :: else
  fi
}
