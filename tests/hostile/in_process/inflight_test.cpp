// A daemon that dies at any store of guest_tx, and GuestTx going on where its file says: nothing lost, at
// most one frame doubled, every request answered once, whatever the guest posted meanwhile.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/support/back_rig.hpp"
#include "tests/support/inflight_world.hpp"
#include "tests/support/temp_folder.hpp"

namespace hush::test {
namespace {
namespace fs = std::filesystem;
using netif::tx_flag::kMoreData;

constexpr inflight::Identity kRing{kGuest, 0, 0, inflight::RingKind::guest_tx, Gref{8}, EvtchnPort{9}};
constexpr std::uint16_t kBytes = 64;  // of a slot

// Stores into a mapped file that can be cut off.
class CutMapped {
 public:
  CutMapped(inflight::MappedWords words, Steps& steps) : words_(words), steps_(&steps) {}
  void store(std::size_t place, std::uint64_t word) {
    steps_->take();
    words_.store(place, word);
  }

 private:
  inflight::MappedWords words_;
  Steps* steps_;
};

std::array<std::uint32_t, 3> words_of(const netif::TxRequest& request) {
  return std::bit_cast<std::array<std::uint32_t, 3>>(request);
}

class Successor : public ::testing::Test {
 protected:
  [[nodiscard]] dom0::TxFile file(bool served_before = true) const {
    return {(folder_ / "vif1.0-q0").string(), served_before};
  }

  const TempFolder temp_;
  const fs::path folder_ = temp_.path();
};

// One guest and its packets: of one slot and more, and one that is refused.
struct Guest {
  struct Packet {
    std::size_t first, slots;
    bool good;
  };

  Guest() { std::ranges::copy(pattern(kPageSize), std::begin(rig.xen.page(rig.data).bytes)); }
  void post(std::size_t slots, bool good = true) {
    const auto offset = static_cast<std::uint16_t>(packets.size() * kBytes);
    packets.push_back({requests.size(), slots, good});
    for (std::size_t i = 0; i < slots; ++i) {
      const auto id = static_cast<std::uint16_t>(requests.size() + 100);
      const auto more = i + 1 < slots ? kMoreData : std::uint16_t{0};
      const auto size = i > 0 ? kBytes : good ? static_cast<std::uint16_t>(slots * kBytes) : std::uint16_t{5};
      requests.push_back({rig.data, offset, more, id, size});
      rig.send({requests.back()});
    }
  }
  Bytes frame_of(std::size_t packet) {
    const std::byte* const bytes = rig.xen.page(rig.data).bytes + packet * kBytes;
    Bytes frame;
    for (std::size_t i = 0; i < packets[packet].slots; ++i) frame.insert(frame.end(), bytes, bytes + kBytes);
    return frame;
  }
  [[nodiscard]] std::int16_t status_of(const Packet& packet) const {
    return packet.good ? netif::status::kOkay : netif::status::kError;
  }

  // All that was asked for, and at most `doubled` more.
  void expect_all(std::size_t doubled) {
    std::vector<Bytes> wanted, came;
    for (std::size_t i = 0; i < packets.size(); ++i)
      if (packets[i].good) wanted.push_back(frame_of(i));
    while (auto frame = rig.tap.take()) came.push_back(std::move(*frame));
    EXPECT_LE(came.size(), wanted.size() + doubled) << "more than one was doubled";
    came.erase(std::unique(came.begin(), came.end()), came.end());
    EXPECT_EQ(came, wanted) << "lost, or out of order";
    const auto answers = rig.tx_answers();
    ASSERT_EQ(answers.size() + answered, requests.size());
    for (const auto& packet : packets)
      for (std::size_t i = packet.first; i < packet.first + packet.slots; ++i) {
        if (i < answered) continue;
        EXPECT_EQ(answers[i - answered].id, requests[i].id);
        EXPECT_EQ(answers[i - answered].status, status_of(packet)) << i;
      }
  }

  BackRig rig;
  std::vector<Packet> packets;
  std::vector<netif::TxRequest> requests;
  std::size_t answered = 0;  // seen before
};

// The real one, until it rests.
void go_on(Guest& guest, dom0::TxStart start, std::shared_ptr<dom0::RateLimiter> limiter = nullptr) {
  dom0::GuestTx tx(netif::TxBack::attach(guest.rig.tx_page(), start.at), kGuest, guest.rig.tap.fd(),
                   guest.rig.memory, guest.rig.counters, guest.rig.multicast, std::move(start.inflight));
  tx.limit_by(std::move(limiter));
  for (dom0::Pass pass = dom0::Pass::moved; pass == dom0::Pass::moved;) {
    pass = tx.run([](bool) {});
    ASSERT_NE(pass, dom0::Pass::fault) << tx.fault();
  }
}

// What GuestTx does with a batch, cut off after so many steps. False: it came to its end.
bool live(Guest& guest, const dom0::TxFile& where, std::size_t steps_allowed) {
  Steps steps;
  steps.allow(steps_allowed);
  auto file = inflight::File::create(where.path, inflight::new_file(dom0::kTxInflight, kRing, 0));
  EXPECT_TRUE(file);
  inflight::Array<CutMapped> array(CutMapped(file->words(), steps), dom0::kTxInflight,
                                   inflight::plan_without_file(dom0::kTxInflight, 0));
  try {
    std::vector<inflight::Answer> batch;
    for (const auto& request : guest.requests) batch.push_back({array.take(words_of(request)), 0});
    for (std::size_t i = 0; i < guest.packets.size(); ++i) {
      const auto& packet = guest.packets[i];
      steps.take();
      if (packet.good) {
        Bytes message(sizeof(net::VnetHeader));
        const Bytes frame = guest.frame_of(i);
        message.insert(message.end(), frame.begin(), frame.end());
        EXPECT_EQ(write(guest.rig.tap.fd(), message.data(), message.size()),
                  static_cast<ssize_t>(message.size()));
      }
      batch[packet.first].result = static_cast<std::int8_t>(guest.status_of(packet));
      array.sent(batch[packet.first].id, batch[packet.first].result);
    }
    array.commit(batch, [&] {
      auto back =
          netif::TxBack::attach(guest.rig.tx_page(), {static_cast<std::uint32_t>(guest.requests.size()), 0});
      for (const auto& packet : guest.packets)
        for (std::size_t i = 0; i < packet.slots; ++i) {
          steps.take();
          back.put(netif::TxResponse{guest.requests[packet.first + i].id, guest.status_of(packet)});
        }
      steps.take();
      (void)back.publish();
    });
    return false;
  } catch (const Killed&) {
    return true;
  }
}

TEST_F(Successor, GoesOnFromAnyStep) {
  std::size_t steps = 0;
  for (bool killed = true; killed; ++steps) {
    ASSERT_LT(steps, 1000U);
    Guest guest;
    guest.post(1);
    guest.post(3);
    guest.post(2, false);
    guest.post(1);
    killed = live(guest, file(), steps);
    guest.post(1);  // nobody serves it yet
    guest.post(2);
    auto start = dom0::start_tx(guest.rig.tx_page(), file(), kRing);
    EXPECT_EQ(start.resumed.from, dom0::TxResumed::From::file) << start.resumed.refused;
    go_on(guest, std::move(start));
    guest.expect_all(1);
    if (HasFailure()) FAIL() << "killed after step " << steps;
  }
  EXPECT_GT(steps, 50U);
}

// The guest fills its ring as soon as answers are there, so that what was kept and what is posted are a
// ringful.
TEST_F(Successor, TakesWhatWasKeptBesideAFullRing) {
  Guest guest;
  for (int i = 0; i < 40; ++i) guest.post(1);
  ASSERT_TRUE(live(guest, file(), 40 * 7 + 20));
  for (int i = 40; i < 63; ++i) guest.post(1);
  while (guest.requests.size() < netif::kSlots) {
    guest.requests.push_back({guest.rig.data, 0, 0, static_cast<std::uint16_t>(guest.requests.size()), 5});
    guest.packets.push_back({guest.requests.size() - 1, 1, false});
    guest.rig.send({guest.requests.back()});
  }
  auto start = dom0::start_tx(guest.rig.tx_page(), file(), kRing);
  EXPECT_EQ(start.resumed.taken, 40U);
  EXPECT_GT(start.resumed.sent, 5U);
  go_on(guest, std::move(start));
  guest.expect_all(1);
}

// Its bytes were earned in the life before: only what comes after them waits.
TEST_F(Successor, SendsWhatWasKeptWithoutCredit) {
  Guest guest;
  guest.post(3);
  guest.post(3);
  ASSERT_TRUE(live(guest, file(), 6 * 7));
  guest.post(3);
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto limiter = std::make_shared<dom0::RateLimiter>(1, std::chrono::hours(1), now);
  (void)limiter->book(now, 1);  // there is none left
  auto start = dom0::start_tx(guest.rig.tx_page(), file(), kRing);
  EXPECT_EQ(start.resumed.taken, 6U);
  go_on(guest, std::move(start), limiter);
  EXPECT_EQ(guest.rig.tap.take(), guest.frame_of(0));
  EXPECT_EQ(guest.rig.tap.take(), guest.frame_of(1));
  EXPECT_EQ(guest.rig.tap.take(), std::nullopt);
  EXPECT_EQ(guest.rig.tx_answers().size(), 6U);
}

// A chain of which the life before took a part, and whose rest the guest has turned into something else.
TEST_F(Successor, CutsOffAGuestThatChangedTheRestOfAPacket) {
  Guest guest;
  guest.post(3);
  ASSERT_TRUE(live(guest, file(), 2 * 7));  // of three slots two are in the file
  guest.rig.tx_page().slot[2].put(netif::TxRequest{guest.rig.data, 4095, 0, 1, 64});
  auto start = dom0::start_tx(guest.rig.tx_page(), file(), kRing);
  ASSERT_EQ(start.resumed.taken, 2U);
  dom0::GuestTx tx(netif::TxBack::attach(guest.rig.tx_page(), start.at), kGuest, guest.rig.tap.fd(),
                   guest.rig.memory, guest.rig.counters, guest.rig.multicast, std::move(start.inflight));
  EXPECT_EQ(tx.run([](bool) {}), dom0::Pass::fault);
  EXPECT_EQ(guest.rig.tap.take(), std::nullopt);
}

// A TAP that blocks once it has some frames: a process that writes to it is killed in the middle of a batch.
class BlockingTap {
 public:
  BlockingTap() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_.data()), 0);
    const int bytes = 1;  // the least there is
    setsockopt(ends_[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  ~BlockingTap() {
    for (const int fd : ends_) close(fd);
  }
  BlockingTap(const BlockingTap&) = delete;
  BlockingTap& operator=(const BlockingTap&) = delete;
  [[nodiscard]] int fd() const { return ends_[0]; }
  std::size_t drain() {
    std::size_t frames = 0;
    for (std::array<std::byte, 4096> frame; recv(ends_[1], frame.data(), frame.size(), MSG_DONTWAIT) > 0;)
      ++frames;
    return frames;
  }

 private:
  std::array<int, 2> ends_{};
};

bool sleeps(pid_t child) {
  std::string line;
  std::getline(std::ifstream("/proc/" + std::to_string(child) + "/stat"), line);
  return line.substr(line.rfind(')') + 1).starts_with(" S");
}

// What the real one leaves: all of the batch is taken before the first frame, and each frame is marked.
TEST_F(Successor, FindsTheMarksOfOneThatWasKilled) {
  Guest guest;
  for (int i = 0; i < 60; ++i) guest.post(1);
  BlockingTap tap;
  auto before = dom0::start_tx(guest.rig.tx_page(), file(false), kRing);
  ASSERT_TRUE(before.inflight) << before.resumed.not_kept;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    dom0::GuestTx tx(netif::TxBack::attach(guest.rig.tx_page(), before.at), kGuest, tap.fd(),
                     guest.rig.memory, guest.rig.counters, guest.rig.multicast, std::move(before.inflight));
    (void)tx.run([](bool) {});
    _exit(0);
  }
  while (!sleeps(child) && waitpid(child, nullptr, WNOHANG) == 0) {
  }
  EXPECT_EQ(kill(child, SIGKILL), 0) << "the TAP took them all";
  waitpid(child, nullptr, 0);
  const std::size_t sent = tap.drain();
  auto start = dom0::start_tx(guest.rig.tx_page(), file(), kRing);
  EXPECT_EQ(start.resumed.from, dom0::TxResumed::From::file) << start.resumed.refused;
  EXPECT_EQ(start.resumed.taken, 60U);
  EXPECT_GT(sent, 0U);
  EXPECT_EQ(start.resumed.sent, sent);
  go_on(guest, std::move(start));
  for (std::size_t i = sent; i < 60; ++i) EXPECT_EQ(guest.rig.tap.take(), guest.frame_of(i)) << i;
  EXPECT_EQ(guest.rig.tap.take(), std::nullopt);
  EXPECT_EQ(guest.rig.tx_answers().size(), 60U);
}

}  // namespace
}  // namespace hush::test
