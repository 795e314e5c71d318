/* In-flight arrays (common/inflight/README.md): a back end that is killed between any two stores, also while it
 * mends what the one before left, on a Xen ring whose answers overwrite requests.
 *
 * Outlive a kill: the ring (slot, req_prod, rsp_prod), the file (a record for each slot, answered, batch), what
 * the effects did. Do not: all that is local to Back, and events of its closed channel.
 *
 * Each line STEP(...) is one store or one effect; a kill may come before any. A request's copy counts as one
 * store beside its ticket: words of one record have no order of their own.
 *
 * Asked: each request is answered once (got), after its effect (effects) and never for another (request); a kill
 * doubles one effect at most (doubled) where one is done at a time; with IN_TURN effects, first ones and doubled
 * ones, and answers keep their order (order, turn); a kill never leaves a file that would be refused (elsewhere,
 * list, half, sound, tickets); nobody sleeps for ever (invalid end state).
 *
 * Without IN_TURN effects happen and answers leave in any order and in batches of any size, as of a block ring.
 *
 * Broken (each by its name): see `spin`.
 */
#ifndef K
#define K 3             /* requests */
#endif
#ifndef N
#define N 2             /* slots and records */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef START
#define START 0         /* where the ring stands when the first back end comes */
#endif

#define NONE 255
#define FREE 0
#define FILLING 1
#define TAKEN 2
#define SENT 3
#define ANSWERING 4
#define ANSWER 100      /* request n is n + 1 in its slot, the answer to it ANSWER + n */

byte slot[N];
byte req_prod = START, rsp_prod = START;
bool guest_event, back_event, bound, finished;

byte state[N], ticket[N], copy[N], sealed_with[N], next[N] = NONE;
byte batch_head = NONE, batch_count;
#ifdef ZERO_INIT
byte answered;
#else
byte answered = START;
#endif
#ifdef PERSIST_CONS
byte kept_cons = START;
#endif

byte effects[K], got[K];
byte died, doubled;

#define PENDING(e) (state[e] == TAKEN || state[e] == SENT || state[e] == ANSWERING)
#define UNUSED(e) (state[e] == FREE || state[e] == FILLING)
#define BIT(e) (1 << (e))
/* Its effect has happened, as far as this back end knows. */
#define DONE(e) (state[e] == SENT || state[e] == ANSWERING || (ran & BIT(e)))
#define TO_SEND(e) (state[e] == TAKEN && !(ran & BIT(e)))
/* May be the next answer of the batch that is being gathered. */
#ifdef IN_TURN
#define NEXT(e) (DONE(e) && !(chosen & BIT(e)) && ticket[e] == rsp_prod + m)
#else
#define NEXT(e) (DONE(e) && !(chosen & BIT(e)))
#endif
#if defined(IN_TURN) && !defined(REPLAY_UNORDERED)
#define MAY_SEND(e, other) (TO_SEND(e) && (e == other || !TO_SEND(other) || ticket[e] < ticket[other]))
#else
#define MAY_SEND(e, other) TO_SEND(e)
#endif
#ifdef INDEX_ONLY
#define REQUEST(e) ((mine & BIT(e)) -> held[e] : slot[ticket[e] % N])
#else
#define REQUEST(e) copy[e]
#endif

active proctype Guest() {
  byte sent = START, seen = START, n;
  do
  :: atomic { sent < START + K && sent - seen < N -> slot[sent % N] = sent - START + 1; sent++; req_prod = sent };
     back_event = bound                     /* an event that nobody is bound for is lost */
  :: atomic { seen != rsp_prod ->
       n = slot[seen % N];
       assert(n >= ANSWER);
       n = n - ANSWER;
       assert(effects[n] > 0);
       got[n]++;
       assert(got[n] == 1);
#ifdef IN_TURN
       assert(n == seen - START);           /* turn */
#endif
       seen++; n = 0 }
  :: atomic { seen == rsp_prod && !(sent < START + K && sent - seen < N) && seen < START + K };
     atomic { guest_event -> guest_event = 0 }
  :: atomic { seen == START + K -> finished = 1; break }
  od
}

#define STEP(what) if :: what :: atomic { died < KILLS -> died++; bound = 0; back_event = 0; goto life } fi

active proctype Back() {
  byte cons, e, n, i, frees, m, request, ran, chosen;
  byte order[N];                                /* of the answers of a batch */
  bool published;
#ifdef INDEX_ONLY
  byte held[N], mine;
#endif

life: skip;
  /* What the file says: judge(). */
  d_step {
    cons = 0; m = 0; request = 0; frees = 0; n = 0; ran = 0; chosen = 0;
#ifdef INDEX_ONLY
    mine = 0;
    i = 0; do :: i < N -> held[i] = 0; i++ :: else -> break od;
#endif
    i = 0; do :: i < N -> order[i] = 0; i++ :: else -> break od;
    assert(rsp_prod == answered || (batch_count > 0 && rsp_prod == answered + batch_count));   /* elsewhere */
    published = (rsp_prod != answered);
    e = batch_head;
    do
    :: n < batch_count ->
         assert(e < N);                                             /* list */
         assert(state[e] == FREE || state[e] == ANSWERING);         /* list */
         frees = frees + (state[e] == FREE);
         e = next[e]; n++
    :: else -> break
    od;
    assert(e == NONE);                                              /* list */
    assert(published || frees == 0 || frees == batch_count);        /* half */
    i = 0;
    do :: i < N -> assert(state[i] == FILLING || sealed_with[i] == ticket[i]); i++ :: else -> break od;  /* sound */
    e = batch_head; n = 0; i = 0; frees = 0
  }
  /* What it left undone: the constructor of Array. */
#ifdef NO_REPAIR
  published = 0;
#endif
  if
  :: published ->
#ifdef REPAIR_COUNTS_FIRST
     STEP(answered = rsp_prod);
#endif
     do
     :: n < batch_count -> STEP(atomic { state[e] = FREE; e = next[e]; n++ })
     :: n == batch_count -> break
     od;
     STEP(answered = rsp_prod);
     STEP(atomic { batch_count = 0; batch_head = NONE })
  :: !published && batch_count > 0 ->
#ifndef REPAIR_KEEPS_BATCH
     STEP(atomic { batch_count = 0; batch_head = NONE })
#else
     skip
#endif
  :: else
  fi;
  d_step {
    published = 0; n = 0; i = 0; e = 0;
    do :: i < N -> n = n + PENDING(i); i++ :: else -> break od;
    cons = rsp_prod + n;
#ifdef IN_TURN
    /* Of each index from the published one to cons there is one. */
    i = rsp_prod;
    do
    :: i < cons ->
         e = 0; m = 0;
         do :: e < N -> m = m + (PENDING(e) && ticket[e] == i); e++ :: else -> break od;
         assert(m == 1);                                            /* tickets */
         i++
    :: else -> break
    od;
#endif
#ifdef PERSIST_CONS
    cons = kept_cons;
#endif
    n = 0; i = 0; e = 0; m = 0
  }
#ifdef NO_REBIND_EVENT
  STEP(bound = 1);
#else
  STEP(atomic { bound = 1; back_event = 1 });   /* Xen makes a port that is bound pending */
#endif
#ifndef NO_KICK
  STEP(guest_event = 1);                        /* the one before may have died between an answer and its event */
#endif
#ifdef NO_SCAN
  if :: atomic { back_event -> back_event = 0 } :: finished fi;
#endif

  do
  /* take() */
  :: atomic { cons != req_prod ->
       do :: UNUSED(e) -> break :: else -> e++; assert(e < N) od;
       request = slot[cons % N];
       assert(request >= 1 && request <= K) };                      /* request */
#ifdef TAKEN_FIRST
     STEP(state[e] = TAKEN);
#else
#ifndef NO_FILLING
     STEP(state[e] = FILLING);
#endif
#endif
     STEP(ticket[e] = cons);
     STEP(atomic { copy[e] = request; sealed_with[e] = cons });
#ifndef TAKEN_FIRST
     STEP(state[e] = TAKEN);
#endif
     atomic {
#ifdef INDEX_ONLY
       held[e] = request; mine = mine | BIT(e);
#endif
       cons++; e = 0; request = 0 };
#ifdef PERSIST_CONS
     STEP(kept_cons = cons)
#endif

  /* the effect, and sent() */
  :: atomic { MAY_SEND(0, N - 1) -> e = 0 }; goto send
#if N > 1
  :: atomic { MAY_SEND(N - 1, 0) -> e = N - 1 }; goto send
#endif
  :: false ->
send:
#ifdef MARK_EARLY
     STEP(state[e] = SENT);
#endif
     STEP(atomic { n = REQUEST(e); assert(n >= 1 && n <= K);        /* request */
#ifdef IN_TURN
       assert(n == K || effects[n] == 0);                           /* order */
#endif
       doubled = doubled + (effects[n - 1] > 0); effects[n - 1]++; n = 0 });
#ifdef MARK_LATE
     ran = ran | BIT(e);
#else
#ifndef MARK_EARLY
     STEP(state[e] = SENT);
#endif
#endif
     assert(doubled <= died);
     e = 0

  /* commit() */
  :: atomic { NEXT(0) || NEXT(N - 1) ->
       do
       :: NEXT(0) -> order[m] = 0; m++; chosen = chosen | 1
#if N > 1
       :: NEXT(N - 1) -> order[m] = N - 1; m++; chosen = chosen | BIT(N - 1)
#endif
       :: m > 0 -> break
       od };
#ifdef BATCH_FIRST
     STEP(atomic { batch_head = order[m - 1]; batch_count = m });
#endif
     do
     :: i < m -> STEP(atomic { state[order[i]] = ANSWERING; next[order[i]] = (i == 0 -> NONE : order[i - 1]); i++ })
     :: i == m -> break
     od;
#if !defined(BATCH_FIRST) && !defined(BATCH_LATE)
     STEP(atomic { batch_head = order[m - 1]; batch_count = m });
#endif
#ifdef CLEAR_FIRST
     do
     :: i > 0 -> STEP(atomic { i--; state[order[i]] = FREE })
     :: i == 0 -> break
     od;
#endif
#ifdef COUNTED_FIRST
     STEP(answered = rsp_prod + m);
#endif
     i = 0;
     do
     :: i < m -> STEP(atomic { n = REQUEST(order[i]); assert(n >= 1 && n <= K); slot[(rsp_prod + i) % N] = ANSWER + n - 1; n = 0; i++ })
     :: i == m -> break
     od;
     STEP(rsp_prod = rsp_prod + m);
#ifdef BATCH_LATE
     STEP(atomic { batch_head = order[m - 1]; batch_count = m });
#endif
#ifdef COUNTED_BEFORE_CLEARED
     STEP(answered = rsp_prod);
#endif
#ifndef CLEAR_FIRST
     do
#ifdef LINK_DROPPED
     :: i > 0 -> STEP(atomic { i--; state[order[i]] = FREE; next[order[i]] = NONE })
#else
     :: i > 0 -> STEP(atomic { i--; state[order[i]] = FREE })
#endif
     :: i == 0 -> break
     od;
#endif
     STEP(answered = rsp_prod);
#ifndef BATCH_KEPT
     STEP(atomic { batch_count = 0; batch_head = NONE });
#endif
     STEP(guest_event = 1);
     atomic { ran = ran & ~chosen; chosen = 0; m = 0; i = 0;
       do :: i < N -> order[i] = 0; i++ :: else -> break od; i = 0 }

  /* sleep: it looked, and nothing is in progress */
  :: atomic { cons == req_prod && !PENDING(0) && !PENDING(N - 1) ->
       if :: finished -> break :: else fi };
     if
     :: atomic { back_event -> back_event = 0 }
     :: finished
     :: atomic { died < KILLS -> died++; bound = 0; back_event = 0; goto life }
     fi
  od;
  assert(!PENDING(0) && !PENDING(N - 1))
}
