/* Where data goes, which the rule alone does not decide: a peer S that stays, and an end C with links to several places.
   Place 0 is where the flow was opened. What C says of itself may be forged: its RSYN does not tell its own source, so
   somebody on the path may send it again from elsewhere. S asks by a token whether C receives at a place.
   SOFT: C's moves go to places whose ways may be dead, while the one before still works (KEEP). Otherwise C leaves.
   FORGERIES: packets that somebody repeats from VICTIM. Variants: NOCHALLENGE believes what an RSYN says; NOTAKEBACK
   tells a soft move for ever; NOTOKEN takes an answer from wherever it comes; NOLINEAGE commits whatever is new. */
#ifndef MOVES
#define MOVES 3
#endif
#ifndef LOSS
#define LOSS 1
#endif
#ifndef DUP
#define DUP 1
#endif
#ifndef FORGERIES
#define FORGERIES 0
#endif
#define IDS 12
#define VICTIM 15
#define NONE 14
#define TRIES 2                     /* of a soft move; five in migrate.ts */
#define BIT(i) (1 << (i))

mtype = { RSYN, ACK, RESPONSE };
/* from or to a place; id: of the move told or committed; keep; token: the place that it was made for, NONE: none */
chan toS = [3] of { mtype, byte, byte, bool, byte };
chan toC = [3] of { mtype, byte, byte, byte };

/* C */
byte cur = 0, known = 0;            /* moves, as in moves.pml */
byte here = 0;                      /* the place that it sends from, and listens at */
byte target = NONE;                 /* the place of a soft move that is told */
byte tries = 0, left = MOVES, last = 0;   /* the number of the last place */
short up = 1, down = 1;             /* places from which packets arrive, to which they do */
short listens = 1;                  /* places at which C still is */
/* S */
byte peer = 0;                      /* the move that is committed */
byte goes = 0;                      /* where data goes */
bool proven = true;                 /* C has answered from there; otherwise at most three bytes for one */
byte place = NONE;                  /* announced, and not yet proven */
byte challenge = NONE;              /* asked, without an announcement */
byte lost = LOSS, twice = DUP, forgeries = FORGERIES;
bool over = false;

#define isOn(set, i) ((set & BIT(i)) != 0)
#define waits (cur != known)
#define tellsAt (target != NONE -> target : here)
#define unsettled (waits || goes != here || !proven)

inline tell() {
  if
  :: len(toS) < 3 && isOn(up, tellsAt) -> toS!!RSYN, tellsAt, cur, (target != NONE), NONE
  :: else
  fi
}

/* The next move is told at once; what was under way before may come later. */
inline mint() { cur++; tries = 0; tell() }

inline answer(where, token) {
  if
  :: where != VICTIM && isOn(down, where) && isOn(listens, where) && len(toC) < 3 -> toC!!ACK, where, peer, token
  :: else                           /* nobody there */
  fi
}

/* Data for a place that has not answered is limited, and with KEEP there is none. */
inline judge() {
  assert(!proven || goes != VICTIM);
  assert(!proven || isOn(down, goes))
}

inline handleRsyn() {
  if
#ifdef NOLINEAGE
  :: id != peer ->
#else
  :: id > peer ->                   /* its lineage has all before: C mints them in order */
#endif
    peer = id;
    if
    :: from == goes && proven -> place = NONE
#ifdef NOCHALLENGE
    :: else -> place = NONE; goes = from; proven = true
#else
    :: else ->
      place = from;
      if :: !keep && goes != from -> goes = from; proven = false; challenge = NONE :: else fi
#endif
    fi;
    answer(from, place)
  :: id == peer ->
    if
    :: place == from -> answer(from, place)
    :: place != from && goes == from -> answer(from, NONE)
    :: else -> challenge = from; answer(from, challenge)      /* somewhere else than it said first */
    fi
  :: else -> skip                   /* superseded */
  fi;
  judge()
}

inline handleResponse() {
#ifdef NOTOKEN
  if :: token != NONE -> token = from :: else fi;
#endif
  if
  :: token == from && (place == from || challenge == from) ->
    if :: place == from -> place = NONE :: else fi;
    if :: challenge == from -> challenge = NONE :: else fi;
    goes = from; proven = true
#ifdef NOTOKEN
  :: token == from && place != from && challenge != from -> goes = from; proven = true
#endif
  :: else
  fi;
  judge()
}

inline handleAck() {
  if
  :: id == cur && waits ->
    known = cur;
    if :: target != NONE -> here = target; target = NONE :: else fi
  :: else
  fi;
  /* Asked where the question went to; the answer leaves from there. */
  if
  :: token == from && len(toS) < 3 && isOn(up, from) -> toS!!RESPONSE, from, 0, false, token
  :: else
  fi
}

active proctype world() {
  mtype type; byte from, id, token, turned; bool keep, drop;
  do
#ifdef SOFT
  :: atomic { left > 0 && !waits -> left--; last++; target = last; listens = listens | BIT(last);
      if :: up = up | BIT(last) :: skip fi;
      if :: down = down | BIT(last) :: skip fi;
      mint() }
#else
  :: atomic { left > 0 -> left--; last++; here = last; listens = BIT(last);
      up = BIT(last); down = down | BIT(last);
      mint() }
#endif
  :: atomic { nempty(toS) ->
      do :: turned + 1 < len(toS) -> turned++; toS?type, from, id, keep, token; toS!type, from, id, keep, token :: break od;
      turned = 0;
      toS?type, from, id, keep, token;
      if
      :: lost > 0 -> lost--; drop = true
      :: twice > 0 -> twice--; toS!!type, from, id, keep, token
      :: forgeries > 0 -> forgeries--; toS!!type, from, id, keep, token; from = VICTIM
      :: true
      fi;
      if
      :: drop
      :: !drop && type == RSYN -> handleRsyn()
      :: !drop && type == RESPONSE -> handleResponse()
      fi;
      drop = false; type = 0; from = 0; id = 0; token = 0; keep = false }
  :: atomic { nempty(toC) ->
      toC?type, from, id, token;
      if
      :: lost > 0 -> lost--
      :: isOn(listens, from) -> handleAck()
      :: !isOn(listens, from)
      fi;
      type = 0; from = 0; id = 0; token = 0 }
  /* Nothing is under way: timeouts. */
  :: atomic { empty(toS) && empty(toC) && unsettled ->
      if
      :: waits ->
#ifndef NOTAKEBACK
        if
        :: target != NONE && tries >= TRIES -> target = NONE; mint()
        :: else -> tries++; tell()
        fi
#else
        tell()
#endif
      :: else
      fi;
      if :: place != NONE -> answer(place, place) :: else fi;
      if :: challenge != NONE -> answer(challenge, challenge) :: else fi }
  :: atomic { empty(toS) && empty(toC) && !unsettled -> assert(goes == here && proven); break }
  od;
  over = true
}

ltl ends_ { <> over }
