// One guest, one back end and a store in this very process, behind the C functions of libxengnttab,
// libxenevtchn and libxenstore: for fuzzers and tests that are to make millions of calls, or to fail an exact
// one.
//
// Link the three files beside this one instead of the libraries. It is no model of Xen (tools/simxen is): it
// has what hush-backd calls, says no where Xen does, and counts what is held. Thread-safe, so that a data
// thread may call.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/types.hpp"

namespace hush::test {

inline constexpr DomId kGuest{7};

struct alignas(kPageSize) GuestPage {
  std::byte bytes[kPageSize];
};

class FakeXen {
 public:
  static FakeXen& get();
  // Nothing granted, no port, no node, no failure asked for. Only while nobody holds a handle's work.
  void reset();

  // ---- the guest's side
  // Grants a zeroed page; grefs are given from 1 on. The page lives until reset().
  std::uint32_t grant(bool writable = true);
  // So many writable ones, side by side: those alone can be mapped together. The first gref; the others
  // follow.
  std::uint32_t grant_run(std::uint32_t pages);
  [[nodiscard]] GuestPage& page(std::uint32_t gref);
  void revoke(std::uint32_t gref);
  // A port that the back end may bind once.
  std::uint32_t offer_port();
  // An event on what the back end bound to it; nothing where it has not.
  void kick(std::uint32_t port);
  // Writes a node, as if the peer or the toolstack did: watches fire.
  void write(const std::string& path, const std::string& value);
  void remove(const std::string& path);
  [[nodiscard]] std::optional<std::string> read(const std::string& path);

  // ---- the other way round: the program under test is a front end, and grants
  // Off after a reset: then no page of one's own can be granted.
  void let_share();
  // The page that was granted as this; null: it is not, or not any more.
  [[nodiscard]] void* shared_page(std::uint32_t gref);
  [[nodiscard]] std::size_t shares();
  // An event on a port of the program's own.
  void kick_local(std::uint32_t port);

  // ---- trouble
  // Until the next reset, no further event-channel handle is opened, or again.
  void deny_channels(bool denied);
  // The n-th call from now on that can fail fails, once (0: the next). A grant copy counts a call for each
  // segment.
  void fail_call(std::uint64_t n);
  [[nodiscard]] std::uint64_t calls();  // that can fail, so far

  // ---- what the back end holds and did
  [[nodiscard]] std::size_t maps();
  [[nodiscard]] std::size_t ports();
  [[nodiscard]] std::uint64_t notifies();
  [[nodiscard]] std::uint64_t reads();  // of store nodes
  // A segment that left its page, or whose page did not exist here: never by a caller that checks.
  [[nodiscard]] std::uint64_t bad_segments();

  // ---- for the C functions
  struct Grant {
    std::shared_ptr<GuestPage> page;
    bool writable;
    bool revoked = false;
  };
  struct Port {
    std::uint32_t remote;
    int fd;
    bool masked = false;  // taken, and not unmasked since
    bool held = false;    // an event has come meanwhile
  };
  std::mutex mutex;  // whoever holds it stops all that are called
  std::string
      store_socket;  // of an xenstored that may die or stop, which the test plays; empty: it does neither
  std::vector<Grant> grants;
  std::map<const void*, std::uint32_t> mapped;  // how often each page is
  bool may_share = false, may_open_channels = true;
  struct Share {
    std::uint32_t first_gref;
    std::uint32_t pages;
  };
  std::map<void*, Share> shared;  // by its first page
  std::uint32_t next_shared_gref = 8;
  std::set<std::uint32_t> offered;
  std::map<std::uint32_t, Port> bound;             // by local port
  std::map<int, std::set<std::uint32_t>> pending;  // by the handle's descriptor
  std::map<std::string, std::string> nodes;
  std::map<std::string, std::string> watches;  // token by path
  std::vector<std::pair<std::string, std::string>> watch_events;
  int watch_fd = -1;
  std::uint32_t next_port = 1;
  std::uint64_t call_count = 0, notify_count = 0, read_count = 0, bad_segment_count = 0;
  std::optional<std::uint64_t> failing;

  // With the mutex held.
  bool fails();
  Grant* find(std::uint32_t domid, std::uint32_t gref);
  void changed(const std::string& path);
  static std::string absolute(const std::string& path);
};

}  // namespace hush::test
