/* Can an event be lost on the area path, or sent twice? One direction of common/area/README.md, sections 5 to 8:
 * a producer and a consumer, each with a store buffer (TSO), mode word and room word, events, and what goes wrong.
 * The names and the order of steps are those of common/area/packet_ring.hpp. tests/model/spin runs it.
 *
 * What is asked: once nothing can happen any more, the consumer sleeps on an empty ring, and the producer waits for
 * no room that is there (clock). In one life, an end sends the other at most one event for a sleep (rings). The
 * producer sends UNITS and no more, so that nothing can happen any more: a lost event shows at the last of them.
 *
 * What happens, in any order:
 *   -DUNITS=n      units that are sent, in records of one or two, through a ring of four of which one is always kept
 *   -DLONG         all records have two units, half of the ring
 *   -DKILLS_C=n    the consumer is killed up to n times, at any step, and starts anew
 *   -DKILLS_P=n    the producer
 *   -DSTRANGERS=n  up to n events come to either end that the other has not sent (a channel serves two directions)
 *   -DLOST=n       up to n events to the consumer are lost; those to the producer: -DLOST_ROOM=n
 *   -DSTALE=n      up to n times the consumer says that it polls, and does not
 *   -DSTALL        the progress rule of section 7, by which the producer also looks for room itself; it must not be
 *                  needed more often than something was lost or stale
 *   -DMORE         the producer may publish without a fence where more is to come, and looks with one before it rests
 *   -DLOOKS_AT_START  an end that starts looks at the other's word, as after a publication or a release
 *
 * What is broken, to be found:
 *   -DPUBLISH_UNFENCED -DSLEEP_UNFENCED -DROOM_UNFENCED -DRELEASE_UNFENCED   a full fence of section 5 is missing
 *   -DUNTOLD                                    -DMORE, and rests without that look
 *   -DNO_SECOND_LOOK -DNO_SECOND_LOOK_ROOM      to sleep without looking again
 *   -DLOOK_BEFORE_SLEEP                         to look again before the word is written
 *   -DFLAG                                      1 and no number: an event for each look that sees it
 *   -DFLAG_REMEMBERED                           the same, but no second event before a 0 was seen
 *   -DNUMBER_STANDS                             each sleep has the same number
 *   -DTWO_NUMBERS                               1, 2, 1, 2
 *   -DNUMBER_RESTARTS                           a killed end begins with 1 again
 *   -DNO_ROOM_WORD                              the producer waits without saying so
 *   -DROOM_UNTOLD                               the consumer does not look at the room word
 *   -DDEATH_UNSAID                              no event when an end dies (section 8)
 *   -DSTALL_SLEEPS                              the progress rule sends events and looks for no room
 */
#ifndef UNITS
#define UNITS 4
#endif
#ifndef KILLS_C
#define KILLS_C 0
#endif
#ifndef KILLS_P
#define KILLS_P 0
#endif
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef LOST
#define LOST 0
#endif
#ifndef LOST_ROOM
#define LOST_ROOM 0
#endif
#ifndef STALE
#define STALE 0
#endif

#define SIZE 4
#define KEPT 1

/* ---- memory, and stores that have not arrived. A load looks in the own buffer first, and finds nothing there: no end
 * loads a word that it stores. Deeper buffers have no further states. */
#define PRODUCED 0
#define CONSUMED 1
#define MODE 2
#define ROOM 3
byte memory[4];
chan p_stores = [3] of { byte, byte };
chan c_stores = [3] of { byte, byte };
#define P_FENCE empty(p_stores)
#define C_FENCE empty(c_stores)

active proctype stores_arrive() {
  byte word, value;
end:
  do
  :: d_step { p_stores?word,value; memory[word] = value; word = 0; value = 0 }
  :: d_step { c_stores?word,value; memory[word] = value; word = 0; value = 0 }
  od
}

/* ---- events: latched, as an event channel's. */
bool p_event, c_event;
byte lost, lost_room, stale, rescues;
inline send_to_consumer() {
  if
  :: c_event = true
  :: lost < LOST -> lost++
  fi
}
inline send_to_producer() {
  if
  :: p_event = true
  :: lost_room < LOST_ROOM -> lost_room++
  fi
}

/* ---- what outlives an end: its index as it was stored last, and the number of its last sleep. */
byte published, released;
byte p_sleeps, c_sleeps;

/* The memory always holds the true number of a sleep, never used twice; what an end makes of it is number(). p_began,
 * c_began: the last number before the end that sleeps was started. */
byte p_began, c_began;
#if defined(FLAG) || defined(FLAG_REMEMBERED) || defined(NUMBER_STANDS)
#define number(sleep, began) (sleep != 0 -> 1 : 0)
#elif defined(TWO_NUMBERS)
#define number(sleep, began) (sleep == 0 -> 0 : 1 + (sleep - 1) % 2)
#elif defined(NUMBER_RESTARTS)
#define number(sleep, began) (sleep > began -> sleep - began : sleep)
#else
#define number(sleep, began) sleep
#endif

/* Doorbell::rings, of the word just read: the sleep to send an event for, or 0. rung: the number notified for last.
 * told: the sleep that this life of the end has sent an event for last. A word's values are seen in the order in which
 * they were stored, so a second event for a sleep would come right after the first. */
inline rings(sleep, began, told) {
  if
#ifdef FLAG_REMEMBERED
  :: number(sleep, began) == 0 -> rung = 0
#endif
#ifdef FLAG
  :: number(sleep, began) != 0 ->
#else
  :: number(sleep, began) != 0 && number(sleep, began) != rung ->
     rung = number(sleep, began);
#endif
     assert(sleep != told /* one event a sleep */);
     told = sleep
  :: else -> sleep = 0
  fi
}

bool p_kill, c_kill;      /* it dies before its next step, once its stores have arrived */
bool p_waits, c_waits;    /* asleep */
bool p_done;              /* it has sent all */
byte p_wants;             /* units of the next record */
byte c_read;              /* units taken */

#define free_after(index) (SIZE - KEPT - (produced - index))

/* An atomic is at most one access to what others see, with the private steps around it. */
active proctype producer() {
  byte produced, consumed, rung, told, word;
#ifdef MORE
  bool untold;
#endif
life:
  {
    atomic {
#ifdef MORE
      untold = false;
#endif
      produced = published; consumed = memory[CONSUMED]; rung = 0; told = 0; word = 0; p_waits = false;
      p_event = false; /* one that came while nobody was there */
      p_began = p_sleeps
    }
#ifdef LOOKS_AT_START
    goto publish;
#endif

next:
    atomic {
      if
#ifndef LONG
      :: p_wants == 0 && produced < UNITS -> p_wants = 1
#endif
      :: p_wants == 0 && produced + 1 < UNITS -> p_wants = 2
      :: p_wants == 0 && produced == UNITS && published != produced -> goto publish
#if defined(MORE) && !defined(UNTOLD)
      :: p_wants == 0 && produced == UNITS && published == produced && untold -> goto tell
      :: p_wants == 0 && produced == UNITS && published == produced && !untold -> goto done
#else
      :: p_wants == 0 && produced == UNITS && published == produced -> goto done
#endif
      :: p_wants != 0
      fi;
      if
      :: free_after(consumed) < p_wants -> consumed = memory[CONSUMED]
      :: else
      fi;
      if
      :: free_after(consumed) >= p_wants -> produced = produced + p_wants; p_wants = 0;
         if
         :: goto publish
         :: goto next /* published with a later one */
         fi
      :: free_after(consumed) < p_wants && published != produced -> goto publish
#if defined(MORE) && !defined(UNTOLD)
      :: free_after(consumed) < p_wants && published == produced && untold -> goto tell
#endif
      :: else
      fi
    }

    /* wait_for_room */
#ifdef LOOK_BEFORE_SLEEP
    consumed = memory[CONSUMED];
#endif
    p_sleeps++;
#ifndef NO_ROOM_WORD
    p_stores!ROOM,p_sleeps;
#endif
    atomic {
#ifndef ROOM_UNFENCED
      P_FENCE ->
#endif
#ifndef LOOK_BEFORE_SLEEP
      consumed = memory[CONSUMED];
#endif
      if
#ifdef NO_SECOND_LOOK_ROOM
      :: true -> p_waits = true
#else
      :: free_after(consumed) < p_wants -> p_waits = true
      :: else
#endif
      fi
    }
    if
    :: p_waits ->
end_waits:
       atomic { p_event -> p_event = false; p_waits = false }
    :: else
    fi;
    p_stores!ROOM,0;
    goto next;

publish:
    atomic { nfull(p_stores) -> published = produced; p_stores!PRODUCED,produced;
#ifdef MORE
      if
      :: untold = true
      :: goto tell
      fi
#endif
    }
#ifdef MORE
    atomic { /* publish_more: a look, before that store may have arrived */
      word = memory[MODE];
      rings(word, c_began, told);
      if
      :: word == 0 -> goto next
      :: else -> word = 0
      fi
    }
    send_to_consumer();
    goto next;

tell:
#endif
    atomic {
#ifndef PUBLISH_UNFENCED
      P_FENCE ->
#endif
#ifdef MORE
      untold = false;
#endif
      word = memory[MODE];
      rings(word, c_began, told);
      if
      :: word == 0 -> goto next
      :: else -> word = 0
      fi
    }
    send_to_consumer();
    goto next
  } unless {
    /* What it has stored arrives; then the kernel says that it is dead. */
    atomic { p_kill && P_FENCE -> p_kill = false;
#ifndef DEATH_UNSAID
      c_event = true;
#endif
      goto life
    }
  };
done:
  p_done = true
}

active proctype consumer() {
  byte read, seen, rung, told, word;
life:
  {
    atomic {
      read = released; c_read = read; seen = released; rung = 0; told = 0; word = 0; c_waits = false;
      c_event = false;
      c_began = c_sleeps
    }
#ifdef LOOKS_AT_START
    goto release;
#endif

peek:
    atomic {
      if
      :: read == seen -> seen = memory[PRODUCED]
      :: else
      fi;
      if
      :: read != seen -> read++; c_read = read;
         if
         :: goto release
         :: goto peek /* released with a later one */
         fi
      :: read == seen && read != released -> goto release
      :: else
      fi;
      if
      :: goto peek /* polls on */
      :: stale < STALE -> stale++; c_waits = true; goto end_sleeps
      :: true
      fi
    }

    /* may_sleep */
#ifdef LOOK_BEFORE_SLEEP
    word = memory[PRODUCED];
#endif
    c_sleeps++;
    c_stores!MODE,c_sleeps;
    atomic {
#ifndef SLEEP_UNFENCED
      C_FENCE ->
#endif
#ifndef LOOK_BEFORE_SLEEP
      word = memory[PRODUCED];
#endif
      if
#ifdef NO_SECOND_LOOK
      :: true -> c_waits = true
#else
      :: word == read -> c_waits = true
      :: else
#endif
      fi;
      word = 0
    }
    if
    :: c_waits ->
end_sleeps:
       atomic { c_event -> c_event = false; c_waits = false }
    :: else
    fi;
    c_stores!MODE,0;
    goto peek;

release:
    atomic { nfull(c_stores) -> released = read; c_stores!CONSUMED,released;
      if
      :: seen - released > SIZE / 2 -> goto peek
      :: else
      fi
    }
#ifndef ROOM_UNTOLD
    atomic {
#ifndef RELEASE_UNFENCED
      C_FENCE ->
#endif
      word = memory[ROOM];
      rings(word, p_began, told);
      if
      :: word == 0 -> goto peek
      :: else -> word = 0
      fi
    }
    send_to_producer();
#endif
    goto peek
  } unless {
    atomic { c_kill && C_FENCE -> c_kill = false;
#ifndef DEATH_UNSAID
      p_event = true;
#endif
      goto life
    }
  }
}

/* What may happen, and need not. */
byte p_kills = KILLS_P, c_kills = KILLS_C, strangers = STRANGERS;
active proctype fate() {
end:
  do
  :: d_step { p_kills > 0 && !p_kill && !p_done -> p_kills--; p_kill = true }
  :: d_step { c_kills > 0 && !c_kill -> c_kills--; c_kill = true }
  :: d_step { strangers > 0 && !c_event -> strangers--; c_event = true }
  :: d_step { strangers > 0 && !p_event -> strangers--; p_event = true }
  od
}

/* Nothing is under way, and no end will do anything by itself. */
#define QUIET (c_waits && !c_event && !c_kill && empty(c_stores) && empty(p_stores) && \
               (p_done || p_waits && !p_event && !p_kill))
#define EMPTY (memory[PRODUCED] == memory[CONSUMED])

active proctype clock() {
end:
  do
  :: atomic { QUIET ->
       if
#ifdef STALL
       :: !EMPTY -> rescues++; send_to_consumer()
#ifndef STALL_SLEEPS
       :: EMPTY && p_waits -> rescues++; p_event = true
#endif
#endif
       :: else ->
          assert(EMPTY /* the consumer sleeps */);
          assert(!p_waits /* since there is room */)
       fi;
       assert(rescues <= lost + lost_room + stale)
     }
  od
}
