// What the cases share: the peer in its domain, workers in Dom0, and handles of the test's own process.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/contract/answer.hpp"
#include "tests/contract/mailbox.hpp"
#include "tests/contract/worker.hpp"
#include "tests/contract/xen.hpp"

namespace hush::contract {

inline constexpr size_t kPage = 4096;
inline constexpr int kRead = 1;              // PROT_READ
inline constexpr int kReadWrite = 3;         // PROT_READ | PROT_WRITE
inline constexpr uint32_t kNobody = 30'000;  // a domain number that no world here uses

class Peer : public Party {
 public:
  Peer(uint32_t domid);
  bool ready() const { return ready_; }
  uint32_t domid() const { return domid_; }
  Answer tell(const std::string& line) override;
  void kill() override { tell("kill"); }
  // Lets the peer end and leaves nothing in the store.
  void end();

  // The program's exit status where the peer's domain went: no case after that means anything.
  static constexpr int kGone = 3;

 private:
  // Ends the program if so, and leaves nothing in the store.
  void end_if_gone();

  uint32_t domid_;
  Mailbox mailbox_;
  unsigned last_ = 0;
  bool ready_ = false;
};

// Set by main before any case runs.
extern std::unique_ptr<Peer> the_peer;

// Tries again until it holds: what a kernel or a server does after a death takes its time. The limit only
// ends a test that has failed already.
bool eventually(const std::function<bool()>& holds);

class Contract : public ::testing::Test {
 protected:
  Contract();
  ~Contract() override;

  // A fresh process for every case: nothing is left from the one before.
  Peer& peer = *the_peer;
  uint32_t peer_domid = peer.domid();
  xengnttab_handle* gnttab;
  xengntshr_handle* gntshr;
  xenevtchn_handle* evtchn;

  // The peer shares pages with Dom0: range number, then references.
  std::vector<uint32_t> peer_shares(uint32_t pages, bool writable = true, uint32_t with = 0);
  uint8_t* map(uint32_t gref, int protection = kReadWrite);
  // The port that has an event, masked; -1 when none comes in a time that only a failed test reaches.
  int wait_event(xenevtchn_handle* handle);
  bool readable(xenevtchn_handle* handle);
  // Both ends of a new channel: Dom0's port (bound here, its first event taken) and the peer's.
  std::pair<uint32_t, uint32_t> channel();
  static uint8_t peek(const uint8_t* at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
  static void poke(uint8_t* at, uint8_t value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }
  static uint8_t filled(uint32_t offset, uint32_t seed) {
    return static_cast<uint8_t>((offset * 7 + seed) % 251);
  }
};

}  // namespace hush::contract
