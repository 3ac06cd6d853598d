/* Two ends that move, and with COPY a copy of one of them. A move leaves its old place for good: what still comes there is
   lost. So the place of an end is named by its newest move, and a peer is where it was when it told the move committed.
   An RSYN reaches an end that has moved itself through the router, while that waits for an answer (rendezvous).
   MOVES_A, MOVES_B, MOVES_S: how often each moves by itself. LINGER: a router knows an end for longer than it must.
   Variants: NORENDEZVOUS; DEAF hears nothing but RSYN from elsewhere; ASKBACK answers the question where it is by the same
   one; those of moves.pml. */
#ifdef COPY
#define SPARE 1                     /* A has one move more, for when it is asked where it is */
byte fork = 15;                     /* the last move of both copies; 15: there is no copy yet */
bool wonA = false, wonB = false;    /* S has committed a move that this copy alone has made */
#define bothAccepted (fork != 15 && ends[A].known > fork && ends[B].known > NA)
#else
#define SPARE 0
#define bothAccepted false
#endif
#define NA (MOVES_A + SPARE)
#include "moves.pml"

/* Whether anybody is, or can ever be, at the place that a packet goes to. */
#define isThere(side, place) \
  ((side) == 1 -> ends[S].cur == (place) : ends[A].alive && ends[A].cur == (place) || ends[B].alive && ends[B].cur == (place))
#define mayArrive(sort, side, x, y) \
  (sort == RSYN || sort == FAIL && isThere(side, x) || sort != FAIL && isThere(side, y))
#include "network.pml"

byte left[3];                       /* moves that an end may still make by itself */
byte type, side, from, x, y, to;    /* the packet at hand, and who gets it */
byte new;
bool grown, cut = false;

#ifdef NORENDEZVOUS
#define findable(e) false
#elif defined(FOREVER) || defined(LINGER)
#define findable(e) (type == RSYN)
#else
#define findable(e) (type == RSYN && waits(e))
#endif

inline tell(e) { send(RSYN, 1 - SIDE(e), ends[e].cur, 0, ends[e].peer) }

inline move(e) {
  new = ends[e].cur + 1;
  if
  :: e == B && new <= NA -> new = NA + 1
  :: else -> forget(SIDE(e), ends[e].cur)
  fi;
  mint(e, new);
  new = 0;
  if :: ends[e].alive -> tell(e) :: else fi
}

inline tellIfWaiting(e) { if :: waits(e) -> tell(e) :: else fi }

#ifdef COPY
/* The copy wakes up at a place of its own, notices that, and moves. A stays where it was and knows of nothing. */
inline copy() {
  fork = ends[A].cur;
  ends[B].alive = true; ends[B].cur = fork; ends[B].known = ends[A].known;
  ends[B].peer = ends[A].peer; ends[B].own = ends[A].own;
  left[B]--;
  move(B)
}

/* S has committed another one's move: what `e` sends besides is answered by the question where it is, if it arrives. */
#define isMistaken(e) (ends[e].alive && !waits(e) && ends[S].peer != ends[e].cur && ends[S].peer != 0)
inline sendData(e) {
  if
  :: ends[S].cur == ends[e].peer -> send(ASK, SIDE(e), ends[S].cur, 0, ends[e].cur)
  :: else -> timeOut(e)
  fi
}

/* Nobody is where `e` looks for S, and S looks for nobody: it belongs to the other copy. */
inline timeOut(e) {
  assert(e == A && !wonA || e == B && !wonB);
  ends[e].alive = false;
  if
  :: e == A && fork != 15 -> forgetFrom(fork + 1, NA)
  :: e == B -> forgetFrom(NA + 1, 15)
  :: else
  fi
}

/* The packet at hand met nobody. */
inline giveUp() {
#ifndef FOREVER
  if
  :: from <= NA && ends[A].alive && from == ends[A].cur && y == ends[A].peer -> timeOut(A)
  :: from > NA && ends[B].alive && from == ends[B].cur && y == ends[B].peer -> timeOut(B)
  :: else
  fi
#else
  skip
#endif
}
#endif

inline findReceiver() {
  to = NOBODY;
  if :: type == FAIL -> at = x :: else -> at = y fi;
  if
  :: side == 1 && ends[S].cur == at -> to = S
  :: side == 0 && ends[A].alive && ends[A].cur == at -> to = A
  :: side == 0 && ends[B].alive && ends[B].cur == at -> to = B
#ifdef FOREVER
  :: type == RSYN ->
#else
  :: else ->
#endif
    if
    :: side == 1 && findable(S) -> to = S
    :: side == 0 && ends[A].alive && findable(A) -> to = A
    :: side == 0 && ends[B].alive && findable(B) -> to = B
    :: else
    fi
#ifdef FOREVER
  :: else
#endif
  fi;
  at = 0
}

/* What must hold when `to` commits the move `from`: never back to an older one, nor from one copy to the other. */
inline judgeCommit() {
#ifdef COPY
  if
  :: to == S && from > NA -> assert(!wonA); wonB = true
  :: to == S && from <= NA -> assert(!wonB); if :: from > fork -> wonA = true :: else fi
  :: else
  fi;
#endif
  assert(from > ends[to].peer)
}

inline handleRsyn() {
  if
  :: from == ends[to].peer || commits(to, from, y) ->
    if
    :: from == ends[to].peer ->
      grown = isOwn(to, y) && y > ends[to].known;
      acknowledge(to, y)
    :: else ->
      judgeCommit();
      ends[to].peer = from;
      if
      :: isOwn(to, y) -> ends[to].known = y
#ifdef NOECHO
      :: else -> ends[to].known = ends[to].cur
#else
      :: else
#endif
      fi;
      assert(!bothAccepted);
      grown = true
    fi;
    send(ACK, 1 - SIDE(to), ends[to].cur, 0, from);
    if :: grown -> grown = false; tellIfWaiting(to) :: else fi
  :: else ->
    if
    :: waits(to) -> skip            /* it may itself be the copy that is behind */
    :: else -> send(FAIL, 1 - SIDE(to), ends[to].cur, from, ends[to].peer)
    fi
  fi
}

inline handleFail() {
  if
  :: isSuperseded(to, from, x, y) ->
    assert(to != S);                /* which has no copy */
#ifdef COPY
    assert(to == A && wonB || to == B && wonA);
#else
    assert(false);
#endif
    ends[to].alive = false
  :: else
  fi
}

inline handle() {
  if
  :: to == NOBODY -> skip
  :: to != NOBODY && type == RSYN -> handleRsyn()
#ifndef DEAF
  :: to != NOBODY && type == FAIL -> handleFail()
#else
  :: to != NOBODY && type == FAIL && !isElsewhere(to, from) -> handleFail()
#endif
  :: to != NOBODY && type == ACK && !isElsewhere(to, from) -> acknowledge(to, y)
#ifdef ASKBACK
  :: to != NOBODY && type == ASK && !isElsewhere(to, from) ->
#elif defined(DEAF)
  :: to != NOBODY && type == ASK && isElsewhere(to, from) -> skip
  :: to != NOBODY && type == ASK && !isElsewhere(to, from) ->
#else
  :: to != NOBODY && type == ASK ->
#endif
    /* Who is asked where it is tells it by another move. With none left the model ends here. */
    if
    :: waits(to) -> skip
    :: !waits(to) && left[to] > 0 -> left[to]--; move(to)
    :: else -> cut = true
    fi
  :: else -> send(ASK, 1 - SIDE(to), ends[to].cur, 0, from)
  fi
}

/* With FOREVER nobody needs a timeout: whatever may be sent is, at once. */
inline settle() {
#ifdef FOREVER
  tellIfWaiting(A); tellIfWaiting(S); tellIfWaiting(B)
#ifdef COPY
  ; if :: isMistaken(A) && ends[S].cur == ends[A].peer -> sendData(A) :: else fi
  ; if :: isMistaken(B) && ends[S].cur == ends[B].peer -> sendData(B) :: else fi
#endif
#else
  skip
#endif
}

/* Nothing is under way, and nobody waits: one end of each side is left, and each is where the other sends. */
inline agree() {
#ifdef COPY
  assert(fork == 15 || ends[A].alive != ends[B].alive);
  if
  :: ends[B].alive -> assert(ends[S].peer == ends[B].cur && ends[B].peer == ends[S].cur)
  :: else -> assert(ends[S].peer == ends[A].cur && ends[A].peer == ends[S].cur)
  fi
#else
  assert(ends[S].peer == ends[A].cur && ends[A].peer == ends[S].cur)
#endif
}

#define LOST 4
#ifdef COPY
#define anyMistaken (isMistaken(A) || isMistaken(B))
#else
#define anyMistaken false
#endif

bool over = false;

active proctype world() {
  d_step {
    ends[A].alive = true; ends[A].own = 1; left[A] = NA;
    ends[S].alive = true; ends[S].own = 1; left[S] = MOVES_S;
    line[INDEX(0, 0)] = 1; line[INDEX(1, 0)] = 1
#ifdef COPY
    ; left[B] = MOVES_B
#endif
  }
  do
  :: atomic { ends[A].alive && left[A] > SPARE && !tooMany -> left[A]--; move(A); settle() }
  :: atomic { left[S] > 0 && !tooMany -> left[S]--; move(S); settle() }
#ifdef COPY
  :: atomic { ends[B].alive && left[B] > 0 -> left[B]--; move(B); settle() }
  :: atomic { ends[A].alive && fork == 15 -> copy(); settle() }
#endif
  :: atomic { under > 0 ->
      at = 0;
      do :: at + 1 < under -> at++ :: break od; skip;
      d_step {
        m = net[at];
        y = m % 16; x = (m / 16) % 16; from = (m / 256) % 16; side = (m / 4096) % 2; type = m / 8192; m = 0
      }
#ifdef FOREVER
      at = 0
#else
      if
      :: twice > 0 -> twice--; at = 0
      :: remove();
        if :: lost > 0 -> lost--; type = LOST :: true fi
      fi
#endif
      ;
      if
      :: type == LOST -> skip
      :: else ->
        findReceiver();
        printf("%d (0 RSYN, 1 ACK, 2 FAIL, 3 ASK) to side %d: from %d, %d, %d: received by %d\n", type, side, from, x, y, to);
        handle();
#ifdef COPY
        if
        :: to == NOBODY && type == RSYN && side == 1 && !findable(S) -> giveUp()
        :: else
        fi
#endif
      fi;
      type = 0; side = 0; from = 0; x = 0; y = 0; to = 0;
      settle() }
#ifndef FOREVER
  :: atomic { under == 0 && (waits(A) || waits(S) || waits(B)) && !tooMany && !cut ->   /* a retransmission timeout */
      tellIfWaiting(A); tellIfWaiting(S); tellIfWaiting(B) }
#ifdef COPY
  :: atomic { under == 0 && isMistaken(A) && !cut -> sendData(A) }
  :: atomic { under == 0 && isMistaken(B) && !cut -> sendData(B) }
#endif
  :: atomic { under == 0 && !waits(A) && !waits(S) && !waits(B) && !anyMistaken && !tooMany && !cut -> agree(); break }
  :: atomic { tooMany || cut -> break }
#endif
  od;
  over = true
}

#ifndef FOREVER
/* Moves and faults are few, so a run without an end is one that comes no further. */
ltl ends_ { <> over }
#endif
