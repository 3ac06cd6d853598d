/* Does a download go on at another instance, and take no byte twice, from elsewhere, or of another version? Two instances
   answer, which may have different versions of the file; each may die, and the client may take one for dead that is only
   slow, and still sends. Going on is another opening with a flowID of its own, which avoids the instance before, and a request
   from the byte where the client stands, with the tag of the version that it has (If-Range).
   Asserted: each byte is the next one, of the same version. At the end the client has all, or knows why not.
   Variants: NOFLOWID takes what fits the sequence number, of whatever flow; NOTAG does not compare versions; NOAVOID goes back to the
   instance before; LATE takes the SYN-ACK of an opening that was given up. */
#define BYTES 2
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef SUSPICIONS
#define SUSPICIONS 1
#endif
#ifndef LOSS
#define LOSS 1
#endif
#ifndef DUP
#define DUP 1
#endif
#define ROOM 4
#define NONE 7
#define BIT(i) (1 << (i))

mtype = { SYN, REQUEST, SYNACK, DATA, RST };
/* flow, instance, then of REQUEST: first byte, tag; of DATA: number within the flow, the request's first byte, version */
chan net = [ROOM] of { mtype, byte, byte, byte, byte, byte };

/* Instances 0 and 1 */
bool alive[2] = true;
byte version[2], flows[2];          /* a set of flowIDs */
/* The client */
mtype = { OPENING, OPEN, DONE, FAILED };
mtype state = OPENING;
byte flow = 1, instance = NONE, avoided = NONE, next = 0;
byte taken = 0;                     /* bytes that the application has */
byte begun = 0;                     /* of them before this flow */
byte tag = NONE;                    /* the version of what it has */
byte deaths = DEATHS, suspicions = SUSPICIONS, lost = LOSS, twice = DUP;
bool over = false;

#define toClient(type) (type == SYNACK || type == DATA || type == RST)

inline send(sort, ofFlow, at, first, second, third) {
  if
  :: len(net) < ROOM && !net??[sort, eval(ofFlow), eval(at), eval(first), eval(second), eval(third)] ->
    net!!sort, ofFlow, at, first, second, third
  :: else
  fi
}

/* The router does not know yet who is dead: an attempt may go there, the one after it goes elsewhere. */
inline open() {
#ifndef NOAVOID
  if :: avoided != NONE -> next = 1 - avoided :: else fi;
#else
  if :: avoided != NONE -> next = avoided :: else fi;
#endif
  send(SYN, flow, next, 0, 0, 0);
  next = 1 - next
}

/* The flow counts as lost. There are two instances, so after two losses there is nowhere to go. */
inline goOn() {
  if
  :: avoided != NONE -> state = FAILED
  :: else -> avoided = instance; instance = NONE; flow++; begun = taken; state = OPENING; open()
  fi
}

inline take(number, first, its) {
  if
  :: tag != NONE && its != tag ->
#ifdef NOTAG
    assert(false)
#else
    state = FAILED                  /* another version: a typed error, and not a mixture */
#endif
  :: else ->
    tag = its;
    assert(first + number == taken);
    taken++;
    if :: taken == BYTES -> state = DONE :: else fi
  fi
}

#ifdef NOFLOWID
#define isOfFlow(f, i) (state == OPEN)
#else
#define isOfFlow(f, i) (state == OPEN && f == flow && i == instance)
#endif
#ifdef LATE
#define isAwaited(f) (state == OPENING)
#else
#define isAwaited(f) (state == OPENING && f == flow)
#endif

active proctype world() {
  mtype type; byte f, i, a, b, c, turned; bool drop;
  if :: version[1] = 1 :: version[1] = 0 fi;
  if :: next = 0 :: next = 1 fi;
  do
  :: atomic { deaths > 0 -> deaths--; if :: alive[0] -> alive[0] = false; flows[0] = 0 :: alive[1] -> alive[1] = false; flows[1] = 0 fi }
  :: atomic { suspicions > 0 && state == OPEN -> suspicions--; goOn() }
  :: atomic { nempty(net) ->
      do :: turned + 1 < len(net) -> turned++; net?type, f, i, a, b, c; net!type, f, i, a, b, c :: break od;
      turned = 0;
      net?type, f, i, a, b, c;
      if
      :: lost > 0 -> lost--; drop = true
      :: twice > 0 -> twice--; net!!type, f, i, a, b, c
      :: true
      fi;
      if
      :: drop || !toClient(type) && !alive[i] -> skip
      :: !drop && type == SYN && alive[i] -> flows[i] = flows[i] | BIT(f); send(SYNACK, f, i, 0, 0, 0)
      :: !drop && type == REQUEST && alive[i] ->
        if
        :: (flows[i] & BIT(f)) == 0 -> send(RST, f, i, 0, 0, 0)
        :: else ->
          if :: a < BYTES -> send(DATA, f, i, 0, a, version[i]) :: else fi;
          if :: a + 1 < BYTES -> send(DATA, f, i, 1, a, version[i]) :: else fi
        fi
      :: !drop && type == SYNACK ->
        if
        :: isAwaited(f) ->
          state = OPEN; instance = i;
          send(REQUEST, flow, i, taken, tag, 0)
        :: else -> skip             /* reset, which the instance may never hear */
        fi
      :: !drop && type == DATA ->
        if :: isOfFlow(f, i) && a == taken - begun -> take(a, b, c) :: else fi
      :: !drop && type == RST ->
        if :: state == OPEN && f == flow && i == instance -> goOn() :: else fi
      fi;
      drop = false; type = 0; f = 0; i = 0; a = 0; b = 0; c = 0 }
  /* Timeouts: repeat, and find out who is dead. */
  :: atomic { empty(net) && state == OPENING ->
      if
      :: avoided != NONE && !alive[1 - avoided] -> state = FAILED    /* no-instance */
      :: !alive[0] && !alive[1] -> state = FAILED
      :: else -> open()
      fi }
  :: atomic { empty(net) && state == OPEN ->
      if :: alive[instance] -> send(REQUEST, flow, instance, begun, tag, 0) :: else -> goOn() fi }
  :: atomic { state == DONE || state == FAILED -> break }
  od;
  over = true
}

ltl ends_ { <> over }
