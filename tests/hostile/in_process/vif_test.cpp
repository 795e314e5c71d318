// A vif as a whole in this process, its queue on a data thread: what crosses from there arrives when the test
// says.
#include "dom0/vif/vif.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/support/back_rig.hpp"
#include "tests/support/own_namespace.hpp"
#include "xenstore/keys.hpp"

namespace hush::test {
namespace {

constexpr char kFrontend[] = "/local/domain/7/device/vif/0";
constexpr char kBackend[] = "backend/vif/7/0";

// The rings and the channel of one connection of the guest's.
class Connection {
 public:
  explicit Connection(FakeXen& xen) : xen_(xen) {}
  void offer() {
    say(xenstore::key::kTxRingRef, tx_gref_);
    say(xenstore::key::kRxRingRef, rx_gref_);
    say(xenstore::key::kEventChannel, port_);
    say(xenstore::key::kRequestRxCopy, 1);
    say(xenstore::key::kState, static_cast<unsigned>(xenstore::XenbusState::connected));
  }
  // More requests than the ring has slots, and an event to have them looked at.
  void lie() {
    tx_page().req_prod.store(kPageSize, std::memory_order_release);
    xen_.kick(port_);
  }

 private:
  netif::TxSring& tx_page() { return shm::layout_at<netif::TxSring>(xen_.page(tx_gref_).bytes); }
  void say(const char* key, std::uint32_t value) {
    xen_.write(std::string(kFrontend) + "/" + key, std::to_string(value));
  }

  FakeXen& xen_;
  std::uint32_t tx_gref_ = xen_.grant(), rx_gref_ = xen_.grant(), port_ = xen_.offer_port();
  netif::TxFront tx_ = netif::TxFront::create(tx_page());
  netif::RxFront rx_ = netif::RxFront::create(shm::layout_at<netif::RxSring>(xen_.page(rx_gref_).bytes));
};

class WholeVif : public ::testing::Test {
 protected:
  WholeVif() {
    xen_.reset();
    xen_.write(std::string(kBackend) + "/" + xenstore::key::kFrontend, kFrontend);
    xen_.write(std::string(kBackend) + "/" + xenstore::key::kFrontendId, std::to_string(kGuest.value));
    be(xenstore::XenbusState::initialising);
  }
  void be(xenstore::XenbusState state) {
    xen_.write(std::string(kFrontend) + "/" + xenstore::key::kState, xenstore::to_text(state));
  }
  // Its TAP is in a network namespace of its own, which goes with the thread that has it.
  void run(const std::function<void(dom0::Vif&)>& body) {
    in_own_namespace([&] {
      auto client = xenstore::Client::open(loop_);
      auto grants = xen::GrantTable::open();
      auto thread = event::DataThread::start("hush-test");
      ASSERT_TRUE(client && grants && thread);
      dom0::Settings settings(**client, {}, "info");
      dom0::Host host{loop_, **client, {}, settings, poll::kUsualWakeCost, std::move(*grants)};
      auto memory = batch_memory((*thread)->grants());
      host.workers.push_back({std::move(*thread), std::move(memory), 0});
      {
        dom0::Vif vif(xenstore::VifId{kGuest, 0}, host, [] {});
        body(vif);
      }
      loop_.poll();
    });
    EXPECT_EQ(xen_.maps(), 0U);
    EXPECT_EQ(xen_.ports(), 0U);
  }
  static void connect(dom0::Vif& vif, Connection& connection) {
    connection.offer();
    vif.update();
    ASSERT_TRUE(vif.connected()) << vif.fault();
  }
  // Until the data thread has found it out; its report waits for the loop.
  static void lie_unheard(const dom0::Vif& vif, Connection& connection) {
    connection.lie();
    while (vif.look().at(0).queue.state != "failed") std::this_thread::yield();
  }

  FakeXen& xen_ = FakeXen::get();
  boost::asio::io_context loop_{1};
};

TEST_F(WholeVif, ALieCutsItOff) {
  run([this](dom0::Vif& vif) {
    vif.update();
    Connection one(xen_);
    ASSERT_NO_FATAL_FAILURE(connect(vif, one));
    lie_unheard(vif, one);
    loop_.poll();
    EXPECT_FALSE(vif.connected());
    EXPECT_NE(vif.fault(), "");
    EXPECT_EQ(vif.state(), xenstore::XenbusState::closing);
  });
}

// A guest that lies and starts over before anybody heard of the lie (kexec) has left it behind with its
// rings.
TEST_F(WholeVif, AFaultOfAnEarlierConnectionIsNoNews) {
  run([this](dom0::Vif& vif) {
    vif.update();
    Connection before(xen_);
    ASSERT_NO_FATAL_FAILURE(connect(vif, before));
    lie_unheard(vif, before);

    be(xenstore::XenbusState::initialising);
    vif.update();
    Connection after(xen_);
    ASSERT_NO_FATAL_FAILURE(connect(vif, after));
    ASSERT_EQ(vif.connects(), 2U);
    loop_.poll();
    EXPECT_TRUE(vif.connected()) << vif.fault();
    // Or it waits for receive buffers: a new interface has something to say by itself.
    EXPECT_NE(vif.look().at(0).queue.state, "failed");
  });
}

}  // namespace
}  // namespace hush::test
