// H21, H25, H27, H35: a queue on its data thread whose connection fails at each step, whose channel storms,
// and goes while it storms.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "dom0/vif/ctrl_ring.hpp"
#include "dom0/vif/netif_queue.hpp"
#include "tests/support/back_rig.hpp"

namespace hush::test {
namespace {

class Channels : public ::testing::Test {
 protected:
  Channels() {
    xen.reset();
    worker.thread = *event::DataThread::start("test");
    worker.memory = batch_memory(worker.thread->grants());
    tx_gref = xen.grant();
    rx_gref = xen.grant();
    data = xen.grant();
    (void)netif::TxFront::create(tx_page());
    (void)netif::RxFront::create(shm::layout_at<netif::RxSring>(xen.page(rx_gref).bytes));
    tx_port = xen.offer_port();
    rx_port = xen.offer_port();
  }
  netif::TxSring& tx_page() { return shm::layout_at<netif::TxSring>(xen.page(tx_gref).bytes); }

  Result<std::unique_ptr<dom0::NetifQueue>> connect(const dom0::TxFile& file = {}) {
    const xenstore::QueueAddress address{Gref{tx_gref}, Gref{rx_gref}, EvtchnPort{tx_port},
                                         EvtchnPort{rx_port}};
    return worker.thread->call([&] {
      return dom0::NetifQueue::connect(
          worker, kGuest, address, every_feature(), tap.fd(), counters, dom0::VifShare{multicast},
          {.fault = [this](const std::string& reason) { on_fault(reason); },
           .stall = [this](const std::optional<dom0::Stall>& s) { ++(s ? stalls : stall_ends); }},
          file);
    });
  }
  template <class Q>
  void disconnect(std::unique_ptr<Q>& queue) {
    worker.thread->call([&] { queue.reset(); });
  }
  // Everything that the thread has been asked for until now is done.
  void settle() {
    for (int i = 0; i < 3; ++i) worker.thread->call([] {});
  }
  // Bounded, for a test that fails.
  template <class Condition>
  [[nodiscard]] bool eventually(Condition condition) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20); !condition(); settle())
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  }
  void set_timeouts(dom0::Queue& queue, dom0::RxTimeouts timeouts) {
    worker.thread->call([&] { queue.set_timeouts({.rx = timeouts}); });
  }
  [[nodiscard]] std::uint64_t waited_too_long() const {
    return counters.rx_drops[static_cast<std::size_t>(dom0::RxDrop::waited_too_long)].get();
  }
  void on_fault(const std::string& reason) {
    if (faults++ == 0) first_fault.set_value(reason);
  }
  void expect_nothing_held() {
    EXPECT_EQ(xen.maps(), 0U);
    EXPECT_EQ(xen.ports(), 0U);
  }

  FakeXen& xen = FakeXen::get();
  FakeTap tap;
  dom0::QueueCounters counters;
  dom0::MulticastFilter multicast;
  std::atomic<int> faults = 0, stalls = 0, stall_ends = 0;
  std::promise<std::string> first_fault;
  dom0::Worker worker;
  std::uint32_t tx_gref, rx_gref, data, tx_port, rx_port;
};

// H35: each call of connect fails once: what was done before it is undone, and the next try is served.
TEST_F(Channels, ConnectFailsAtEachStep) {
  for (std::uint64_t step = 0;; ++step) {
    ASSERT_LT(step, 100U);
    xen.fail_call(step);
    auto queue = connect();
    if (queue) {
      EXPECT_GE(step, 4U) << "two maps, two binds";
      disconnect(*queue);
      expect_nothing_held();
      return;
    }
    EXPECT_NE(queue.error().text, "");
    expect_nothing_held();
    auto again = connect();
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(xen.maps(), 2U);
    EXPECT_EQ(xen.ports(), 2U);
    disconnect(*again);
    expect_nothing_held();
  }
}
// A gref or a port that is not there is an error, not a queue of nothing.
TEST_F(Channels, WhatIsNotThereIsAnError) {
  tx_gref = 0xffffff;
  const auto no_gref = connect();
  ASSERT_FALSE(no_gref);
  EXPECT_NE(no_gref.error().text.find("map grant 16777215"), std::string::npos) << no_gref.error().text;
  tx_gref = rx_gref;
  rx_port = 100000;
  const auto no_port = connect();
  ASSERT_FALSE(no_port);
  EXPECT_NE(no_port.error().text.find("bind event channel 100000"), std::string::npos);
  expect_nothing_held();
}

// H25: events with nothing behind them get no event back, and a packet after them is served.
TEST_F(Channels, AStormIsAnsweredWithSilence) {
  auto queue = connect();
  ASSERT_TRUE(queue);
  settle();
  const auto before = xen.notifies();
  for (int i = 0; i < 5000; ++i) xen.kick(i % 2 ? tx_port : rx_port);
  settle();
  EXPECT_EQ(xen.notifies(), before);
  EXPECT_EQ(faults, 0);
  auto front = netif::TxFront::attach(tx_page(), {});
  front.put(netif::TxRequest{data, 0, 0, 1, 60});
  (void)front.publish();
  xen.kick(tx_port);
  while (front.pending() == 0U) settle();
  EXPECT_EQ(front.take().status, netif::status::kOkay);
  disconnect(*queue);
  expect_nothing_held();
}

// An event that the hypervisor refuses to send is tried again: the ring already says that the guest was told.
TEST_F(Channels, AnEventThatFailsIsOwed) {
  auto queue = connect();
  ASSERT_TRUE(queue);
  settle();
  auto front = netif::TxFront::attach(tx_page(), {});
  front.put(netif::TxRequest{data, 0, 0, 1, 60});
  (void)front.publish();
  xen.fail_call(1);  // after the copy of the one slot
  xen.kick(tx_port);
  while (xen.notifies() == 0) settle();
  EXPECT_EQ(front.pending(), 1U);
  disconnect(*queue);
}

// H27: the channel is closed and bound again while events come in all the time.
TEST_F(Channels, RebindingUnderAStorm) {
  std::jthread storm([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      xen.kick(tx_port);
      xen.kick(rx_port);
      std::this_thread::yield();
    }
  });
  for (int round = 0; round < 100; ++round) {
    auto queue = connect();
    ASSERT_TRUE(queue) << queue.error().text;
    disconnect(*queue);
    ASSERT_EQ(xen.ports(), 0U);
  }
  expect_nothing_held();
}

// A daemon that was killed between an answer and its event owes it: the ring will not ask for it again.
TEST_F(Channels, TakingOverATrafficTellsTheGuest) {
  auto fresh = connect();
  ASSERT_TRUE(fresh);
  settle();
  EXPECT_EQ(xen.notifies(), 0U) << "a fresh ring owes nothing";
  disconnect(*fresh);
  auto front = netif::TxFront::attach(tx_page(), {});
  front.put(netif::TxRequest{data, 0, 0, 1, 60});
  (void)front.publish();
  tx_page().rsp_prod.store(1, std::memory_order_seq_cst);
  tx_port = xen.offer_port();
  rx_port = xen.offer_port();
  auto queue = connect();
  ASSERT_TRUE(queue);
  EXPECT_EQ(xen.notifies(), 2U) << "each channel once";
  disconnect(*queue);
}

// It goes on where the file of the one before says, which is of this very connection, and keeps that file up.
TEST_F(Channels, TakingOverGoesOnByTheFile) {
  char path[] = "/tmp/hush-channels-XXXXXX";
  close(mkstemp(path));
  const inflight::Identity ring{
      kGuest, 0, 0, inflight::RingKind::guest_tx, Gref{tx_gref}, EvtchnPort{tx_port}};
  auto front = netif::TxFront::attach(tx_page(), {});
  front.put(netif::TxRequest{data, 0, 0, 1, 60});
  (void)front.publish();
  dom0::start_tx(tx_page(), {path, false}, ring).inflight->take(0, {data, 0, 0, 1, 60});
  tx_page().slot[0].put(netif::TxRequest{0, 0, 0, 2, 4000});  // an answer may have taken its place
  auto queue = connect({path, true});
  ASSERT_TRUE(queue);
  EXPECT_EQ((*queue)->resumed().from, dom0::TxResumed::From::file) << (*queue)->resumed().refused;
  EXPECT_EQ((*queue)->resumed().taken, 1U);
  EXPECT_EQ(worker.thread->call([&] { return (*queue)->look(); }).resumed->taken, 1U);
  while (front.pending() == 0U) settle();
  EXPECT_EQ(front.take().id, 1);
  EXPECT_EQ(tap.take().value_or(Bytes{}).size(), 60U);
  disconnect(*queue);
  const auto after = dom0::start_tx(tx_page(), {path, true}, ring);
  EXPECT_EQ(after.resumed.from, dom0::TxResumed::From::file) << after.resumed.refused;
  EXPECT_EQ(after.resumed.taken, 0U);
  EXPECT_EQ(after.at.consumed, 1U);
  unlink(path);
}

// So does its control ring: the guest may wait for an answer that is there.
TEST_F(Channels, TakingOverAControlRingTellsTheGuest) {
  auto& page = shm::layout_at<netif::CtrlSring>(xen.page(data).bytes);
  auto front = netif::CtrlFront::create(page);
  dom0::Steering steering(1, *worker.memory);
  const auto connect_to = [&](std::uint32_t port) {
    return worker.thread->call([&] {
      return dom0::CtrlRing::connect(*worker.thread, *worker.memory, kGuest, {Gref{data}, EvtchnPort{port}},
                                     steering, [this](const std::string& reason) { on_fault(reason); });
    });
  };
  auto fresh = connect_to(tx_port);
  ASSERT_TRUE(fresh);
  settle();
  EXPECT_EQ(xen.notifies(), 0U) << "a fresh ring owes nothing";
  worker.thread->call([&] { fresh->reset(); });
  front.put(netif::CtrlRequest{});
  (void)front.publish();
  page.rsp_prod.store(1, std::memory_order_seq_cst);
  auto ring = connect_to(rx_port);
  ASSERT_TRUE(ring);
  EXPECT_EQ(xen.notifies(), 1U);
  worker.thread->call([&] { ring->reset(); });
  EXPECT_EQ(faults, 0);
}

// What posts itself to the loop again and again (a control ring whose guest never stops asking) gets its
// share and no more.
TEST_F(Channels, AHandlerWithoutEndHoldsUpNoQueue) {
  auto queue = connect();
  ASSERT_TRUE(queue);
  std::atomic<bool> ended = false;
  std::function<void()> again = [&] {
    if (!ended) boost::asio::post(worker.thread->loop(), again);
  };
  worker.thread->call([&] {
    (*queue)->set_polling({.mode = poll::Mode::poll});  // so that the queue keeps its turn
    again();
  });
  auto front = netif::TxFront::attach(tx_page(), {});
  std::uint32_t served = 0;
  for (std::uint32_t n = 1; n <= 20 && served + 1 == n; ++n) {
    front.put(netif::TxRequest{data, 0, 0, 1, 60});
    (void)front.publish();
    xen.kick(tx_port);
    served += eventually([&] { return front.pending() == n; });
  }
  EXPECT_EQ(served, 20U);
  ended = true;
  settle();
  disconnect(*queue);
}

// Who polls asks for nothing: req_event stays where it was, whatever comes, and an honest guest sends no
// event.
TEST_F(Channels, APolledQueueLeavesItsEventIndexAlone) {
  auto queue = connect();
  ASSERT_TRUE(queue);
  worker.thread->call([&] { (*queue)->set_polling({.mode = poll::Mode::poll}); });
  auto front = netif::TxFront::attach(tx_page(), {});
  front.put(netif::TxRequest{data, 0, 0, 1, 60});
  (void)front.publish();  // it may have slept before
  ASSERT_TRUE(eventually([&] { return front.pending() == 1U; }));
  const auto event = tx_page().req_event.load(std::memory_order_relaxed);
  for (std::uint32_t n = 2; n <= 100; ++n) {
    front.put(netif::TxRequest{data, 0, 0, 1, 60});
    EXPECT_FALSE(front.publish()) << n;
    ASSERT_TRUE(eventually([&] { return front.pending() == n; })) << n;
  }
  EXPECT_EQ(tx_page().req_event.load(std::memory_order_relaxed), event);
  worker.thread->call([&] { (*queue)->set_polling({.mode = poll::Mode::event}); });
  EXPECT_TRUE(eventually([&] { return tx_page().req_event.load(std::memory_order_relaxed) == 101; }));
  EXPECT_GT(counters.polls.found.get(), 0U);
  EXPECT_GT(counters.polls.sleeps.get(), 0U);
  disconnect(*queue);
}

// The timer that runs for the end of a stall must not hold up the end of a frame's wait.
TEST_F(Channels, EachFrameIsDroppedWhenItHasWaited) {
  auto queue = connect();
  ASSERT_TRUE(queue);
  set_timeouts(**queue, {.stall = std::chrono::hours(1), .drain = std::chrono::milliseconds(5)});
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(tap.give(pattern(60)));
    ASSERT_TRUE(eventually([&] { return waited_too_long() == n; })) << "frame " << n;
  }
  EXPECT_EQ(stalls, 0);
  disconnect(*queue);
}

// A front end that has posted one buffer, and a frame of three slots: the stall ends by itself once nothing
// waits, for without a carrier no other frame would come.
TEST_F(Channels, AStallEndsWhereAnyFrameWouldFit) {
  auto rx = netif::RxFront::attach(shm::layout_at<netif::RxSring>(xen.page(rx_gref).bytes), {});
  rx.put(netif::RxRequest{1, 0, data});
  (void)rx.publish();
  auto queue = connect();
  ASSERT_TRUE(queue);
  set_timeouts(**queue, {.stall = std::chrono::milliseconds(50), .drain = std::chrono::milliseconds(5)});
  ASSERT_TRUE(tap.give(pattern(9000)));
  EXPECT_TRUE(eventually([&] { return stalls == 1; }));
  EXPECT_TRUE(eventually([&] { return stall_ends == 1; }));
  ASSERT_TRUE(tap.give(pattern(60)));
  EXPECT_TRUE(eventually([&] { return rx.pending() == 1U; }));
  disconnect(*queue);
}

// A lie is told of once and ends the queue: nothing it publishes afterwards is taken.
TEST_F(Channels, AFaultIsFinal) {
  auto queue = connect();
  ASSERT_TRUE(queue);
  tx_page().req_prod.store(netif::kSlots + 1, std::memory_order_seq_cst);
  xen.kick(tx_port);
  EXPECT_EQ(first_fault.get_future().get(), "guest_tx ring index impossible");
  tx_page().slot[0].put(netif::TxRequest{data, 0, 0, 1, 60});
  tx_page().req_prod.store(1, std::memory_order_seq_cst);
  for (int i = 0; i < 100; ++i) xen.kick(i % 2 ? tx_port : rx_port);
  settle();
  tx_page().req_prod.store(UINT32_MAX, std::memory_order_seq_cst);
  for (int i = 0; i < 100; ++i) xen.kick(i % 2 ? tx_port : rx_port);
  settle();
  EXPECT_EQ(tx_page().rsp_prod.load(std::memory_order_seq_cst), 0U);
  EXPECT_EQ(faults, 1);
  disconnect(*queue);
  expect_nothing_held();
}

}  // namespace
}  // namespace hush::test
