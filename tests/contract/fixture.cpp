#include "tests/contract/fixture.hpp"

#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

namespace hush::contract {

std::unique_ptr<Peer> the_peer;

Peer::Peer(uint32_t domid)
    : domid_(domid),
      mailbox_("/local/domain/" + std::to_string(domid) + "/data/hush-contract", "answer", "command") {
  unsigned number = 0;
  std::string text;
  ready_ = mailbox_.open() && mailbox_.get(0, number, text);
  last_ = number;
}

void Peer::end_if_gone() {
  if (mailbox_.other_is_there()) return;
  mailbox_.clear();
  std::cerr << "hush-contract: domain " << domid_ << " is gone, and the peer with it; see why in xl dmesg\n";
  std::exit(kGone);  // NOLINT: no other thread runs
}

Answer Peer::tell(const std::string& line) {
  unsigned number = 0;
  std::string text;
  ++last_;
  end_if_gone();
  if (!mailbox_.put(last_, line)) return {"error " + std::to_string(errno)};
  if (mailbox_.get(last_, number, text)) return {text};
  end_if_gone();
  return {"error 0 (the peer does not answer)"};
}

void Peer::end() {
  tell("end");
  mailbox_.clear();
}

bool eventually(const std::function<bool()>& holds) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds())
    if (std::chrono::steady_clock::now() > limit) return false;
  return true;
}

Contract::Contract()
    : gnttab(xengnttab_open(nullptr, 0)),
      gntshr(xengntshr_open(nullptr, 0)),
      evtchn(xenevtchn_open(nullptr, 0)) {
  peer.kill();
  EXPECT_TRUE(peer.tell("hello").ok());
}

Contract::~Contract() {
  if (evtchn != nullptr) xenevtchn_close(evtchn);
  if (gntshr != nullptr) xengntshr_close(gntshr);
  if (gnttab != nullptr) xengnttab_close(gnttab);
}

std::vector<uint32_t> Contract::peer_shares(uint32_t pages, bool writable, uint32_t with) {
  const Answer answer =
      peer.tell("share " + std::to_string(with) + " " + std::to_string(pages) + (writable ? " 1" : " 0"));
  EXPECT_EQ(answer.numbers().size(), pages + 1) << answer.text;
  auto numbers = answer.numbers();
  numbers.resize(pages + 1, ~0U);
  return numbers;
}

uint8_t* Contract::map(uint32_t gref, int protection) {
  return static_cast<uint8_t*>(xengnttab_map_grant_ref(gnttab, peer_domid, gref, protection));
}

int Contract::wait_event(xenevtchn_handle* handle) {
  pollfd event{.fd = xenevtchn_fd(handle), .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, 20'000) == 1 ? xenevtchn_pending(handle) : -1;
}

bool Contract::readable(xenevtchn_handle* handle) {
  pollfd event{.fd = xenevtchn_fd(handle), .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, 0) == 1;
}

std::pair<uint32_t, uint32_t> Contract::channel() {
  const uint32_t theirs = peer.tell("bind-unbound 0").number();
  const int ours = xenevtchn_bind_interdomain(evtchn, peer_domid, theirs);
  EXPECT_GT(ours, 0);
  EXPECT_EQ(wait_event(evtchn), ours);
  EXPECT_EQ(xenevtchn_unmask(evtchn, static_cast<evtchn_port_t>(ours)), 0);
  return {static_cast<uint32_t>(ours), theirs};
}

}  // namespace hush::contract
