/* Does the area of a queue give way to the next generation, and is nothing lost? common/area/README.md, section 10: both
 * ends, each with a control part and a data part, and both directions. tests/model/spin runs it.
 *
 * An area is a slot of memory: its grant, its mapping, its header, and two rings of one or two frames and a SWITCH. Areas
 * have one frame a ring and two in turn, so that advice means something. A frame is a number: 1 to FRAMES in each direction
 * of a connection. Watches are late: a part reads a key whenever it likes, and may miss what stood there between. A bound may
 * be over at any time. After a fault or a death the ends connect again, and the frames begin again.
 *
 * An atomic is at most one access to what others see, with the private steps around it. There are no store buffers, and the
 * number of a sleep is an ideal one: wake.pml is for those. The switch brings no "publish mine, then read yours" of its own.
 *
 * What is asked are the assertions, each with its name in a comment, and `spin` says which of them a broken one fails:
 *   order          a frame is lost, doubled or out of turn
 *   unmapped       the back end uses an area that is not mapped. outside: more of it than is mapped
 *   ended          the front end uses an area that it has ended. reused: or one that the other still maps, for something else
 *   mapped-three, granted-three   at most two areas at a time
 *   agreed         the front end sends its SWITCH, and the back end has another area ready for it, or none
 *   fault          a fault between honest ends, where no answer was taken back and nobody has died
 *   alive          an end takes the living other one for dead
 *   overrun        a record is written over one that was not read
 *   unadvised      the back end maps more than it has advised
 *   stale-offer    the back end reads an offer of an earlier connection
 * and, once nothing can happen any more (clock):
 *   connected, arrived (every frame), over (both ends and both directions in the same area, no offer), freed (that area
 *   alone is granted and mapped, nothing is aside), reached (its generation), waits (nobody waits for the other's
 *   goodwill), clock (the bounds mend only what was lost)
 *
 * What happens, in any order:
 *   -DFRAMES=n -DADVICES=n   frames each way, and sizes that the back end advises one after the other, in a connection
 *   -DOFFERS=n               most offers of a connection: another one may follow a refusal or a withdrawal
 *   -DMUST_REACH=n           at rest the generation in use is at least that
 *   -DWITHDRAWALS=n -DREFUSALS=n -DTAKEN_BACK=n   up to n times, at any time: the front end's, and the back end's
 *   -DKILLS_F=n -DKILLS_B=n  an end is killed up to n times, at any step, and starts anew
 *   -DSILENT_F -DSILENT_B    an end stands still from any step on, alive
 *   -DSTALLED_TX -DSTALLED_RX  an end takes no frame of that direction any more, from any step on
 *   -DLOST=n                 up to n events are lost, and the bounds of sections 7 and 10 are to mend it
 *   -DUNMAP_RINGS            to unmap or to end an area sends the event of its notification (its byte is cleared anyway)
 *   -DNUMBERS                mode words have real numbers
 *   -DLIAR_F -DLIAR_B        that end is not there: whatever the other reads of it, in keys, rings or header, may be anything
 *
 * What is broken, to be found:
 *   front end: -DCOMMITS_UNANSWERED, -DANSWER_NAMELESS (any `mapped` will do), -DGENERATION_AGAIN (used again after a
 *     withdrawal), -DWITHDRAWS_LATE (once it is to switch), -DWITHDRAWN_STAYS (granted), -DSENDS_BEHIND (its own SWITCH),
 *     -DREADER_MOVES_WITH_OWN (SWITCH, not with the peer's), -DENDS_EARLY (at its own SWITCH), -DASKS_NOBODY (frees the old
 *     pages without the kernel), -DASKS_THEN_FREES (in two steps), -DOLD_BYTE (looks there whether the other lives),
 *     -DOFFER_STAYS (over a new connection)
 *   back end: -DANSWERS_FIRST (and maps then), -DSWITCHES_UNREAD (without the other's SWITCH), -DSWITCH_UNSAID (no event),
 *     -DSWITCH_BY_WORD (an event only to one that sleeps; this is not broken), -DUNMAPS_FIRST (before its own SWITCH),
 *     -DKEEPS_OLD, -DUNMAPS_LATER (maps the next before), -DREACHABLE (unmaps what the data part may still take),
 *     -DREMOVAL_IS_WITHDRAWAL (also after the SWITCH), -DANSWER_STAYS (over a new connection), -DSTAGED_STAYS (mapped, over
 *     one), -DSWITCH_UNASKED (follows any), -DSIZES_NOT_COMPARED, -DHEADER_TWICE, -DADVICE_IGNORED
 *   both: -DNO_RESERVE (for a SWITCH), -DSWITCH_ANYWAY (and none waits for room), -DNUMBERS_AGAIN (from 1 in a new area),
 *     -DBELL_KEPT (notified for the numbers of the old area), -DWAITS_FOR_EVER (no bound), -DNO_SWITCH_BOUND and
 *     -DONLY_SENDS (of section 10: none; or it sends events and does not look itself)
 */
#ifndef FRAMES
#define FRAMES 2
#endif
#ifndef ADVICES
#define ADVICES 1
#endif
#ifndef OFFERS
#define OFFERS ADVICES
#endif
#ifndef MUST_REACH
#define MUST_REACH 1
#endif
#ifndef WITHDRAWALS
#define WITHDRAWALS 0
#endif
#ifndef REFUSALS
#define REFUSALS 0
#endif
#ifndef TAKEN_BACK
#define TAKEN_BACK 0
#endif
#ifndef KILLS_F
#define KILLS_F 0
#endif
#ifndef KILLS_B
#define KILLS_B 0
#endif
#ifndef LOST
#define LOST 0
#endif

/* ---- memory: slots of pages of the front end. Xen and the kernels keep grant and mapping, whoever dies. */
#define SLOTS 3
#define NONE 7
#define FREE 0    /* pages for anything */
#define GRANTED 1
#define KEPT 2    /* ended while it was mapped: aside */
byte grant[SLOTS];
bool mapped[SLOTS];
byte header_generation[SLOTS], header_frames[SLOTS]; /* frames: the size */
bool f_alive[SLOTS], b_alive[SLOTS];                 /* bytes 2048 and 2176 */
#define TX(slot) (2 * (slot))
#define RX(slot) (2 * (slot) + 1)
#define CELLS 3
byte cell[2 * SLOTS * CELLS];
byte produced[2 * SLOTS], consumed[2 * SLOTS], mode[2 * SLOTS], room[2 * SLOTS];
#define SWITCH 9
#define BAD 10    /* a record or an index that cannot be */
#define COUNT(what) ((grant[0] == what) + (grant[1] == what) + (grant[2] == what))
#define COUNT_MAPPED (mapped[0] + mapped[1] + mapped[2])

/* ---- xenstore. Several keys are written in one step only where the README says "transaction", or in the same key. */
#define DOWN 0
#define UP 1
#define CLOSING 2 /* of the back end: 5 */
#define WAIT 3    /* and 6, 1, 2 */
byte f_state, b_state = CLOSING;
byte ref = NONE;                     /* hush-area-ref */
byte target;                         /* hush-area-target: frames; 0 = none */
byte offer, offer_ref, offer_frames; /* hush-area-offer: the generation; 0 = none */
#define MAPPED 1
#define REFUSED 2
byte answer, answer_is;              /* hush-area-answer: the generation; 0 = none */
byte offered_by, connection;         /* not there: of which connection the offer is */

/* ---- an end: the area of each direction, and what its two parts say to each other. */
bool f_run, f_runs, f_fault, f_waits, f_event;
bool b_run, b_runs, b_fault, b_waits, b_event;
byte f_tx = NONE, f_rx = NONE, f_next = NONE, f_old = NONE, f_generation, f_sent, f_got;
byte b_tx = NONE, b_rx = NONE, b_sent, b_got;
byte b_frames[SLOTS], b_pages[SLOTS]; /* as its copy of the header says, and as it has mapped */
#define IDLE 0
#define OFFERED 1
#define COMMIT 2   /* the data part is to switch */
#define SWITCHED 3
#define OVER 4     /* the control part is to tidy up */
byte f_switch;
byte b_staged = NONE; /* mapped for the next SWITCH. Taken out by exchange: the data part at a SWITCH, or the control part */
byte b_left = NONE;   /* the control part is to unmap it */
bool b_owes;          /* has read a SWITCH, and not sent its own */

/* ---- what happened. */
byte took_back; /* the generation of the last answer that was taken back */
bool f_died, b_died, f_silent, b_silent, tx_stalled, rx_stalled;
bool f_kill_control, f_kill_data, b_kill_control, b_kill_data;
byte lost, rescues, withdrawals, refusals, taken_back;

inline send(event) {
  if
  :: event = true
  :: lost < LOST -> lost++
  fi
}

/* ---- words. A sleep's number is ideal: 1 not notified for, 2 notified for. With -DNUMBERS, of mode words, it is a number. */
#ifdef NUMBERS
byte f_sleeps, b_sleeps, rung[2 * SLOTS];
#ifdef BELL_KEPT
#define bell(ring) (ring % 2) /* notified for, of the direction and not of the area */
#else
#define bell(ring) ring
#endif
#define sleep_mode(word, sleeps) sleeps++; word = sleeps
inline look_at_mode(ring, event) {
  if
  :: mode[ring] != 0 && mode[ring] != rung[bell(ring)] -> rung[bell(ring)] = mode[ring]; send(event)
  :: else
  fi
}
#else
#define sleep_mode(word, sleeps) word = 1
inline look_at_mode(ring, event) {
  if
  :: mode[ring] == 1 -> mode[ring] = 2; send(event)
  :: else
  fi
}
#endif
inline look_at_room(ring, event) {
  if
  :: room[ring] == 1 -> room[ring] = 2; send(event)
  :: else
  fi
}

/* ---- what the hypervisor and the kernels do. Pages that are neither granted nor mapped are anybody's. */
inline forget_ring(ring) {
  produced[ring] = 0; consumed[ring] = 0; mode[ring] = 0; room[ring] = 0;
#if defined(NUMBERS) && !defined(BELL_KEPT)
  rung[ring] = 0;
#endif
  cell[CELLS * (ring)] = 0; cell[CELLS * (ring) + 1] = 0; cell[CELLS * (ring) + 2] = 0
}
inline forget(slot) {
  b_alive[slot] = false; f_alive[slot] = false; header_generation[slot] = 0; header_frames[slot] = 0;
  forget_ring(TX(slot));
  forget_ring(RX(slot))
}
inline free_pages(slot) {
  assert(!mapped[slot] /* reused */);
  grant[slot] = FREE;
  forget(slot)
}
inline end_grant(slot) {
  if
  :: grant[slot] == GRANTED ->
     f_alive[slot] = false;
#ifdef UNMAP_RINGS
     b_event = true;
#endif
     if
     :: mapped[slot] -> grant[slot] = KEPT
     :: else -> free_pages(slot)
     fi
  :: else
  fi
}
inline map(slot, frames) {
  mapped[slot] = true; b_alive[slot] = true; b_frames[slot] = frames;
  assert(COUNT_MAPPED <= 2 /* mapped-three */)
}
inline unmap(slot) {
  if
  :: mapped[slot] ->
     mapped[slot] = false; b_alive[slot] = false; b_frames[slot] = 0; b_pages[slot] = 0;
#ifdef UNMAP_RINGS
     f_event = true;
#endif
     if
     :: grant[slot] == KEPT -> free_pages(slot)
     :: else
     fi
  :: else
  fi
}
#define A_FREE_SLOT (grant[0] == FREE -> 0 : (grant[1] == FREE -> 1 : (grant[2] == FREE -> 2 : NONE)))

/* ---- what an end does with an area. */
inline make_area(slot, generation, frames) {
  assert(!mapped[slot] /* reused */);
  forget(slot);
  grant[slot] = GRANTED; header_generation[slot] = generation; header_frames[slot] = frames; f_alive[slot] = true;
  assert(COUNT(GRANTED) <= 2 /* granted-three */)
}
inline front_touches(slot) { assert(grant[slot] == GRANTED /* ended */) }
inline back_touches(slot) {
  assert(mapped[slot] /* unmapped */);
  assert(b_frames[slot] <= b_pages[slot] /* outside */)
}

/* ---- rings: a cell more than frames, kept for the SWITCH. */
#ifdef NO_RESERVE
#define HAS_ROOM(ring, frames) (produced[ring] - consumed[ring] <= frames)
#ifdef SWITCH_ANYWAY
#define HAS_ROOM_FOR_SWITCH(ring, frames) true
#else
#define HAS_ROOM_FOR_SWITCH(ring, frames) HAS_ROOM(ring, frames)
#endif
#else
#define HAS_ROOM(ring, frames) (produced[ring] - consumed[ring] < frames)
#define HAS_ROOM_FOR_SWITCH(ring, frames) true
#endif
#define HAS_RECORD(ring) (produced[ring] != consumed[ring])
inline put(ring, frames, value) {
  assert(produced[ring] - consumed[ring] <= frames /* overrun */);
#if !defined(LIAR_F) && !defined(LIAR_B)
  cell[CELLS * (ring) + produced[ring] % (frames + 1)] = value;
#endif
  produced[ring]++
}
/* The next record; and is there one behind it? */
inline take(ring, frames) {
  rec = cell[CELLS * (ring) + consumed[ring] % (frames + 1)];
  cell[CELLS * (ring) + consumed[ring] % (frames + 1)] = 0;
  consumed[ring]++;
  more = HAS_RECORD(ring)
}
inline take_anything() {
  if
  :: rec = 1
  :: rec = SWITCH
  :: rec = BAD
  fi;
  if
  :: more = true
  :: more = false
  fi
}

/* Between honest ends there is a fault where the front end commits to what was taken back, or where an end has died in
 * this connection. */
#if defined(LIAR_F) || defined(LIAR_B)
#define EXCUSED true
#else
#define EXCUSED (took_back == f_generation && f_switch > OFFERED || f_died || b_died)
#endif

/* ================================================================ front end */
#ifndef LIAR_F
#ifdef OLD_BYTE
#define F_WATCHED f_rx
#else
#define F_WATCHED (f_switch == SWITCHED -> f_next : f_tx) /* where it sends */
#endif
#ifdef LIAR_B
#define SAYS(state) true
#define TARGET (3 - header_frames[f_tx])
#else
#define SAYS(state) (b_state == state)
#define TARGET target
#endif
#define F_FRAMES(slot) header_frames[slot] /* its own copy; nobody changes the page's */
#ifdef LIAR_B
#define F_SOMETHING true
#else
#define F_SOMETHING (HAS_RECORD(RX(f_rx)) && !rx_stalled)
#endif
#define F_LACKS_ROOM (f_sent < FRAMES && !HAS_ROOM(TX(f_tx), F_FRAMES(f_tx)) || \
                      f_switch == COMMIT && !HAS_ROOM_FOR_SWITCH(TX(f_tx), F_FRAMES(f_tx)))
#define F_CAN_SWITCH (f_switch == COMMIT && HAS_ROOM_FOR_SWITCH(TX(f_tx), F_FRAMES(f_tx)))
#ifdef NUMBERS
#define F_NAPS (f_sent == FRAMES || F_LACKS_ROOM) /* or else there would be no end of numbers */
#else
#define F_NAPS true
#endif
#ifdef NO_RESERVE
#define F_MAIL (!f_run || f_switch == COMMIT && !f_waits)
#else
#define F_MAIL (!f_run || f_switch == COMMIT)
#endif

active proctype front_data() {
  byte ring, rec;
  bool more;
life:
  {
    skip;
stopped:
end_stopped:
    atomic { f_run -> f_runs = true };
next:
end_next:
    do
    :: atomic { !f_run -> f_runs = false; goto stopped }

    :: atomic { f_run && !f_fault && f_sent < FRAMES && HAS_ROOM(TX(f_tx), F_FRAMES(f_tx)) ->
         front_touches(f_tx);
         ring = TX(f_tx);
         f_sent++;
         put(ring, F_FRAMES(f_tx), f_sent);
         goto notify }

    :: atomic { f_run && !f_fault && F_CAN_SWITCH ->
#ifndef LIAR_B
         assert(b_staged == f_next || EXCUSED /* agreed */);
#endif
         front_touches(f_tx);
         ring = TX(f_tx);
         put(ring, F_FRAMES(f_tx), SWITCH);
         f_old = f_tx;
#ifndef SENDS_BEHIND
         f_tx = f_next;
#endif
#ifdef READER_MOVES_WITH_OWN
         f_rx = f_next;
#endif
         f_switch = SWITCHED;
         goto notify }

    :: atomic { f_run && !f_fault && F_SOMETHING ->
         front_touches(f_rx);
         ring = RX(f_rx);
#ifdef LIAR_B
         take_anything();
#else
         take(ring, F_FRAMES(f_rx));
#endif
         if
         :: rec == SWITCH && f_switch == SWITCHED && !more ->
            f_rx = f_next; f_tx = f_next; f_next = NONE; f_switch = OVER;
#ifdef NUMBERS_AGAIN
            f_sleeps = 0;
#endif
            ring = 0; rec = 0;
            goto next
         :: rec == BAD || rec == SWITCH && (f_switch != SWITCHED || more) ->
            assert(EXCUSED /* fault */);
            f_fault = true; ring = 0; rec = 0; more = false;
            goto next
         :: else ->
#ifndef LIAR_B
            f_got++;
            assert(rec == f_got /* order */);
#endif
            rec = 0; more = false
         fi };
       atomic {
         front_touches(ring / 2);
         look_at_room(ring, b_event);
         ring = 0 }

    /* the byte of the other end is read on each waking */
    :: atomic { f_run && !f_fault && !b_alive[F_WATCHED] ->
         assert(EXCUSED || b_state != UP /* alive */);
         f_fault = true }

#ifdef LIAR_B
    :: atomic { f_run && !f_fault && HAS_RECORD(TX(f_tx)) -> front_touches(f_tx); consumed[TX(f_tx)]++ }
    :: atomic { f_run && !f_fault -> front_touches(f_tx); f_fault = true /* consumed cannot be */ }
#else
    /* nothing to read, and nothing to send: or not yet, or no room for it */
    :: atomic { f_run && !f_fault && !F_SOMETHING && !F_CAN_SWITCH && b_alive[F_WATCHED] && F_NAPS ->
         front_touches(f_rx);
         sleep_mode(mode[RX(f_rx)], f_sleeps);
         if
         :: F_LACKS_ROOM -> front_touches(f_tx); room[TX(f_tx)] = 1; f_waits = true
         :: else
         fi };
       atomic {
         if
         :: F_SOMETHING || f_waits && !F_LACKS_ROOM || F_MAIL -> goto awake
         :: else
         fi };
end_asleep:
       atomic { f_event || F_MAIL || f_sent < FRAMES && !f_waits -> f_event = false };
awake:
       atomic {
         front_touches(f_rx);
         mode[RX(f_rx)] = 0;
         if
         :: f_waits -> front_touches(f_tx); room[TX(f_tx)] = 0; f_waits = false
         :: else
         fi }
#endif
    od;

notify: /* after each publication, in the ring of that publication */
    atomic {
      front_touches(ring / 2);
      look_at_mode(ring, b_event);
#ifdef ENDS_EARLY
      if
      :: f_switch == SWITCHED && ring == TX(f_old) -> end_grant(f_old)
      :: else
      fi;
#endif
      ring = 0;
      goto next
    }
  } unless {
    atomic {
      f_kill_data || f_silent ->
      if
      :: f_kill_data -> f_kill_data = false; ring = 0; rec = 0; more = false; goto life
      :: else
      fi
    };
end_silent:
    false
  }
}

active proctype front_control() {
  byte slot = NONE;
life:
  {
    skip;
close:
    atomic { f_state = DOWN; f_run = false };
end_waits:
    /* the back end has closed too: what is left is ended, and a new area made */
    atomic { !f_runs && SAYS(WAIT) ->
      end_grant(0); end_grant(1); end_grant(2);
      f_fault = false; f_switch = IDLE; f_event = false;
      f_tx = NONE; f_rx = NONE; f_next = NONE; f_old = NONE; f_sent = 0; f_got = 0 };
end_poor:
    atomic { A_FREE_SLOT != NONE ->
      slot = A_FREE_SLOT;
      make_area(slot, 1, 1);
#ifdef NUMBERS
      f_sleeps = 0;
#endif
      f_tx = slot; f_rx = slot; f_generation = 1 };
    atomic { /* its transaction to state 4 */
      ref = slot; f_state = UP; slot = NONE;
#ifndef OFFER_STAYS
      offer = 0; offer_ref = 0; offer_frames = 0;
#endif
      connection = 1 - connection };
end_connects:
    atomic {
      if
      :: SAYS(UP) -> f_run = true
      :: SAYS(CLOSING) -> goto close
      fi
    };
serves:
end_serves:
    do
    :: f_fault || SAYS(CLOSING) -> goto close

    :: atomic { f_switch == IDLE && f_generation <= OFFERS && TARGET != 0 && TARGET != F_FRAMES(f_tx) &&
                A_FREE_SLOT != NONE ->
         f_next = A_FREE_SLOT;
#ifdef GENERATION_AGAIN
         f_generation = header_generation[f_tx] + 1;
#else
         f_generation++;
#endif
         make_area(f_next, f_generation, TARGET) };
       atomic { offer = f_generation; offer_ref = f_next; offer_frames = F_FRAMES(f_next); offered_by = connection; f_switch = OFFERED }

#if defined(LIAR_B) || defined(COMMITS_UNANSWERED)
#define ANSWERED(said) true
#elif defined(ANSWER_NAMELESS)
#define ANSWERED(said) (answer_is == said)
#else
#define ANSWERED(said) (answer == f_generation && answer_is == said)
#endif
    :: atomic { f_switch == OFFERED && ANSWERED(MAPPED) -> f_switch = COMMIT }
    :: f_switch == OFFERED && ANSWERED(REFUSED) -> goto withdraw
#ifndef WAITS_FOR_EVER
    :: atomic { f_switch == OFFERED && (withdrawals < WITHDRAWALS || b_silent) ->
         if
         :: b_silent
         :: else -> withdrawals++
         fi;
         goto withdraw }
#endif
#ifdef WITHDRAWS_LATE
    :: atomic { f_switch == COMMIT && withdrawals < WITHDRAWALS ->
         withdrawals++; offer = 0; offer_ref = 0; offer_frames = 0 }
#endif

    :: f_switch == OVER ->
#ifdef ASKS_NOBODY
       atomic { free_pages(f_old) };
#else
       atomic { end_grant(f_old) };
#endif
       atomic { ref = f_rx; offer = 0; offer_ref = 0; offer_frames = 0; f_old = NONE; f_switch = IDLE }
    od;

withdraw:
    atomic { offer = 0; offer_ref = 0; offer_frames = 0; f_switch = IDLE };
#ifdef ASKS_THEN_FREES
    if
    :: mapped[f_next]
    :: !mapped[f_next] -> atomic { free_pages(f_next) }
    fi;
#endif
    atomic {
#ifndef WITHDRAWN_STAYS
      end_grant(f_next);
#endif
      f_next = NONE };
    goto serves
  } unless {
    atomic {
      f_kill_control || f_silent ->
      if
      :: f_kill_control -> f_kill_control = false; slot = NONE; goto life
      :: else
      fi
    };
end_silent:
    false
  }
}
#endif

/* ================================================================= back end */
#ifndef LIAR_B
#ifdef LIAR_F
#define B_SOMETHING true
#else
#define B_SOMETHING (HAS_RECORD(TX(b_tx)) && !tx_stalled)
#endif
#define B_LACKS_ROOM (b_sent < FRAMES && !HAS_ROOM(RX(b_rx), b_frames[b_rx]))
#ifdef NUMBERS
#define B_NAPS (b_sent == FRAMES || B_LACKS_ROOM)
#else
#define B_NAPS true
#endif
#ifdef UNMAPS_LATER
#define MAPS_ONE true
#else
#define MAPS_ONE (!b_owes && b_left == NONE)
#endif

active proctype back_data() {
  byte ring, rec, slot = NONE;
  bool more;
life:
  {
    skip;
stopped:
end_stopped:
    atomic { b_run -> b_runs = true };
next:
end_next:
    do
    :: atomic { !b_run -> b_runs = false; goto stopped }

    :: atomic { b_run && !b_fault && b_sent < FRAMES && HAS_ROOM(RX(b_rx), b_frames[b_rx]) ->
         back_touches(b_rx);
         ring = RX(b_rx);
         b_sent++;
         put(ring, b_frames[b_rx], b_sent) };
       atomic {
         back_touches(ring / 2);
         look_at_mode(ring, f_event);
         ring = 0 }

#ifdef SWITCHES_UNREAD
    :: atomic { b_run && !b_fault && b_staged != NONE && b_rx == b_tx ->
         put(RX(b_rx), b_frames[b_rx], SWITCH); f_event = true; b_rx = b_staged }
#endif

    :: atomic { b_run && !b_fault && B_SOMETHING ->
         back_touches(b_tx);
         ring = TX(b_tx);
#ifdef LIAR_F
         take_anything();
#ifdef HEADER_TWICE
         if
         :: b_frames[b_tx] = 1
         :: b_frames[b_tx] = 2
         fi;
#endif
#else
         take(ring, b_frames[b_tx]);
#endif
         if
         :: rec == SWITCH && !more -> slot = b_staged; b_staged = NONE; b_owes = (slot != NONE)
         :: else
         fi;
         if
#ifdef SWITCH_UNASKED
         :: rec == SWITCH && !more && slot == NONE -> slot = (b_tx + 1) % SLOTS; b_owes = true; goto follow
#endif
         :: rec == BAD || rec == SWITCH && slot == NONE ->
            assert(EXCUSED /* fault */);
            b_fault = true; ring = 0; rec = 0; more = false;
            goto next
         :: rec == SWITCH && slot != NONE -> goto follow
         :: else ->
#ifndef LIAR_F
            b_got++;
            assert(rec == b_got /* order */);
#endif
            rec = 0; more = false
         fi };
       atomic {
         back_touches(ring / 2);
         look_at_room(ring, f_event);
         ring = 0 }

    :: atomic { b_run && !b_fault && !f_alive[b_tx] ->
         assert(EXCUSED || f_state == DOWN /* alive */);
         b_fault = true }

#ifdef LIAR_F
    :: atomic { b_run && !b_fault && HAS_RECORD(RX(b_rx)) -> back_touches(b_rx); consumed[RX(b_rx)]++ }
    :: atomic { b_run && !b_fault -> back_touches(b_rx); b_fault = true /* consumed cannot be */ }
#else
    :: atomic { b_run && !b_fault && !B_SOMETHING && f_alive[b_tx] && B_NAPS ->
         back_touches(b_tx);
         sleep_mode(mode[TX(b_tx)], b_sleeps);
         if
         :: B_LACKS_ROOM -> back_touches(b_rx); room[RX(b_rx)] = 1; b_waits = true
         :: else
         fi };
       atomic {
         if
         :: B_SOMETHING || b_waits && !B_LACKS_ROOM || !b_run -> goto awake
         :: else
         fi };
end_asleep:
       atomic { b_event || !b_run || b_sent < FRAMES && !b_waits -> b_event = false };
awake:
       atomic {
         back_touches(b_tx);
         mode[TX(b_tx)] = 0;
         if
         :: b_waits -> back_touches(b_rx); room[RX(b_rx)] = 0; b_waits = false
         :: else
         fi }
#endif
    od;

follow:
    /* it has read the SWITCH, and reads on in the next area; its own SWITCH, an event for it, and the old area goes */
    atomic {
      ring = 0; rec = 0;
#ifdef UNMAPS_FIRST
      unmap(b_tx);
#endif
#ifdef NUMBERS_AGAIN
      b_sleeps = 0;
#endif
#ifdef SWITCHES_UNREAD
      if
      :: b_rx == slot -> b_left = b_tx; b_tx = slot; slot = NONE; b_owes = false; goto next
      :: else
      fi;
#endif
      b_tx = slot; slot = NONE };
end_owes:
    atomic { HAS_ROOM_FOR_SWITCH(RX(b_rx), b_frames[b_rx]) ->
      back_touches(b_rx);
      put(RX(b_rx), b_frames[b_rx], SWITCH) };
    atomic {
#if defined(SWITCH_BY_WORD)
      back_touches(b_rx);
      look_at_mode(RX(b_rx), f_event);
#elif !defined(SWITCH_UNSAID)
      send(f_event);
#endif
#ifndef KEEPS_OLD
      b_left = b_rx;
#endif
      b_rx = b_tx; b_owes = false };
    goto next
  } unless {
    atomic {
      b_kill_data || b_silent ->
      if
      :: b_kill_data -> b_kill_data = false; ring = 0; rec = 0; more = false; slot = NONE; goto life
      :: else
      fi
    };
end_silent:
    false
  }
}

active proctype back_control() {
  byte generation, frames, slot = NONE; /* of the offer that was read, and of what is mapped for it */
  byte seen, seen_ref, highest, advices;
  bool staged;
life:
  {
    skip;
close:
    atomic { b_state = CLOSING; b_run = false };
end_stops:
    atomic { !b_runs ->
#ifdef STAGED_STAYS
      if
      :: b_tx != NONE -> unmap(b_tx); unmap(b_rx)
      :: else
      fi;
#else
      unmap(0); unmap(1); unmap(2);
#endif
      b_fault = false; b_owes = false; b_staged = NONE; b_left = NONE; b_tx = NONE; b_rx = NONE;
      b_event = false; b_sent = 0; b_got = 0;
      generation = 0; frames = 0; slot = NONE; seen = 0; seen_ref = 0; highest = 1; advices = 0; staged = false };
end_waits:
    atomic { f_state == DOWN ->
#ifndef ANSWER_STAYS
      answer = 0; answer_is = 0;
#endif
      f_died = false; b_died = false; took_back = 0;
      target = 0; b_state = WAIT };
end_connects:
    atomic { f_state == UP ->
#ifdef LIAR_F
      slot = 0; frames = 1;
      forget(slot);
#else
      slot = ref; frames = header_frames[slot];
      if
      :: grant[slot] != GRANTED -> slot = NONE; frames = 0; goto close /* it has died since */
      :: else
      fi;
#endif
      map(slot, frames);
      b_pages[slot] = frames; b_tx = slot; b_rx = slot; slot = NONE; frames = 0
#ifdef NUMBERS
      ; b_sleeps = 0
#endif
    };
    atomic { b_run = true; b_state = UP };
serves:
end_serves:
    do
    :: b_fault || f_state == DOWN -> goto close

    :: atomic { b_left != NONE -> unmap(b_left); b_left = NONE }

    :: atomic { !b_fault && MAPS_ONE && !staged && advices < ADVICES &&
                (target == 0 || target == b_frames[b_tx]) ->
         advices++; target = 3 - b_frames[b_tx] }

    /* an offer, read once */
    :: atomic {
#ifdef LIAR_F
         target != 0 && !staged && MAPS_ONE && highest < 3 ->
         generation = highest + 1;
         slot = (!mapped[0] -> 0 : (!mapped[1] -> 1 : 2)); /* another mapping; of what is the liar's business */
         if
         :: frames = 1
         :: frames = 2
         :: frames = 3
         fi;
         forget(slot);
         if
         :: header_frames[slot] = 1
         :: header_frames[slot] = 2
         :: header_frames[slot] = 3
         fi;
         grant[slot] = GRANTED; header_generation[slot] = generation
#else
         offer != 0 && (offer != seen || offer_ref != seen_ref) && !staged && MAPS_ONE ->
         assert(offered_by == connection || f_state == DOWN /* stale-offer */);
         seen = offer; seen_ref = offer_ref;
         generation = offer; slot = offer_ref; frames = offer_frames
#endif
       };
       goto offered

    /* withdrawn, or another in its place */
    :: atomic { staged && b_staged != NONE && offer != generation -> goto drop }
#ifdef REMOVAL_IS_WITHDRAWAL
    :: atomic { staged && offer != generation -> unmap(slot); b_staged = NONE; staged = false }
#endif
    /* the bound */
#ifndef WAITS_FOR_EVER
    :: atomic { staged && b_staged != NONE && (taken_back < TAKEN_BACK || f_silent) ->
         if
         :: f_silent
         :: else -> taken_back++
         fi;
         took_back = generation; answer = generation; answer_is = REFUSED;
         goto drop }
#endif
    :: atomic { staged && b_staged == NONE -> staged = false; slot = NONE; generation = 0; frames = 0 } /* the data part has it */
    od;

offered:
#ifdef ANSWERS_FIRST
    atomic { answer = generation; answer_is = MAPPED };
#endif
    atomic {
      if
      :: refusals < REFUSALS -> refusals++; goto refuse
      :: generation <= highest || frames == b_frames[b_tx] -> goto refuse /* or not advised */
#ifndef ADVICE_IGNORED
      :: generation > highest && frames > target -> goto refuse
#endif
      :: else
      fi;
      highest = generation;
      if
      :: grant[slot] != GRANTED || header_generation[slot] != generation -> goto refuse
#ifndef SIZES_NOT_COMPARED
      :: grant[slot] == GRANTED && header_frames[slot] != frames -> goto refuse
#endif
      :: else
      fi;
      assert(frames <= target /* unadvised */);
      map(slot, header_frames[slot]);
      b_pages[slot] = frames };
    atomic { b_staged = slot; staged = true };
#ifndef ANSWERS_FIRST
    atomic { answer = generation; answer_is = MAPPED };
#endif
    goto serves;

refuse:
    atomic { answer = generation; answer_is = REFUSED; slot = NONE; generation = 0; frames = 0; goto serves };

drop:
    /* first nobody can go there any more, then it is unmapped */
#ifdef REACHABLE
    atomic { unmap(slot) };
#endif
    atomic { 
      if
      :: b_staged == NONE -> goto serves /* the data part was first */
      :: else -> b_staged = NONE
      fi
    };
    atomic { unmap(slot); staged = false; slot = NONE; generation = 0; frames = 0 };
    goto serves
  } unless {
    atomic {
      b_kill_control || b_silent ->
      if
      :: b_kill_control -> b_kill_control = false; goto life
      :: else
      fi
    };
end_silent:
    false
  }
}
#endif

/* What may happen, and need not. */
byte f_kills = KILLS_F, b_kills = KILLS_B;
active proctype fate() {
end:
  do
  :: false
#if KILLS_F > 0
  :: atomic { f_kills > 0 -> f_kills--; f_died = true; f_kill_data = true; f_kill_control = true;
       end_grant(0); end_grant(1); end_grant(2); b_event = true;
       f_run = false; f_runs = false; f_fault = false; f_waits = false; f_event = false; f_switch = IDLE;
       f_tx = NONE; f_rx = NONE; f_next = NONE; f_old = NONE; f_sent = 0; f_got = 0; f_generation = 0 }
#endif
#if KILLS_B > 0
  :: atomic { b_kills > 0 -> b_kills--; b_died = true; b_kill_data = true; b_kill_control = true;
       unmap(0); unmap(1); unmap(2); f_event = true;
       b_run = false; b_runs = false; b_fault = false; b_waits = false; b_event = false; b_owes = false;
       b_tx = NONE; b_rx = NONE; b_staged = NONE; b_left = NONE; b_sent = 0; b_got = 0 }
#endif
#ifdef SILENT_F
  :: atomic { !f_silent -> f_silent = true }
#endif
#ifdef SILENT_B
  :: atomic { !b_silent -> b_silent = true }
#endif
#ifdef STALLED_TX
  :: atomic { !tx_stalled -> tx_stalled = true }
#endif
#ifdef STALLED_RX
  :: atomic { !rx_stalled -> rx_stalled = true }
#endif
#ifdef LIAR_F
  :: f_state = UP
  :: f_state = DOWN
#endif
#ifdef LIAR_B
  :: atomic { grant[0] == GRANTED -> mapped[0] = true }
  :: atomic { grant[1] == GRANTED -> mapped[1] = true }
  :: atomic { grant[2] == GRANTED -> mapped[2] = true }
  :: atomic { mapped[0] -> unmap(0) }
  :: atomic { mapped[1] -> unmap(1) }
  :: atomic { mapped[2] -> unmap(2) }
#endif
  od
}

/* Nothing can happen any more: what the bounds mend, where something was lost; or else it must be well. */
#if !defined(LIAR_F) && !defined(LIAR_B)
active proctype clock() {
  bool mends;
end:
  do
  :: atomic { timeout ->
#if LOST > 0
       if /* section 7, each way: something lies there, or room is waited for */
       :: f_run && HAS_RECORD(TX(f_tx)) -> b_event = true; mends = true
       :: else
       fi;
       if
       :: b_run && HAS_RECORD(RX(b_rx)) -> f_event = true; mends = true
       :: else
       fi;
       if
       :: f_waits -> f_event = true; mends = true
       :: else
       fi;
       if
       :: b_waits -> b_event = true; mends = true
       :: else
       fi;
#ifndef NO_SWITCH_BOUND
       if /* section 10: the front end's SWITCH is not answered */
       :: f_switch == SWITCHED -> b_event = true; mends = true;
#ifndef ONLY_SENDS
          f_event = true
#endif
       :: else
       fi;
#endif
#endif
       if
       :: mends -> mends = false; rescues++; assert(rescues <= lost /* clock */)
       :: else -> break
       fi }
  od;
  atomic {
    if
    :: f_silent -> assert(COUNT_MAPPED <= 1 && b_staged == NONE && b_left == NONE /* waits */)
    :: b_silent -> assert(f_switch != OFFERED && f_switch != COMMIT /* waits */)
    :: else ->
       assert(f_runs && b_runs && f_state == UP && b_state == UP && !f_fault && !b_fault /* connected */);
       assert(f_switch != COMMIT && !b_owes && f_switch != OFFERED /* waits */);
       if
       :: tx_stalled || rx_stalled
       :: else ->
          assert(b_got == FRAMES && f_got == FRAMES /* arrived */);
          assert(f_switch == IDLE && offer == 0 && f_tx == f_rx && b_tx == b_rx && f_tx == b_tx /* over */);
          assert(COUNT_MAPPED == 1 && COUNT(GRANTED) == 1 && COUNT(KEPT) == 0 && b_staged == NONE && b_left == NONE /* freed */);
          assert(header_generation[f_tx] >= MUST_REACH /* reached */)
       fi
    fi }
}
#endif
