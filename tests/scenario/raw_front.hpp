// An honest front end of any shape: several queues with one channel each, perhaps a control ring, receive
// buffers posted when told to. No TAP and no thread: the stories of odd_front.cpp say what it does. A step
// that must work and does not ends the program with a line.
#pragma once
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/netif/wire.hpp"
#include "common/xen/event_channels.hpp"
#include "common/xen/grant_share.hpp"
#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::scenario {

class RawFront {
 public:
  using Keys = std::vector<std::pair<std::string, std::string>>;

  // Waits for the back end's InitWait, then makes rings, buffers and channels.
  RawFront(std::uint32_t device, std::size_t queues, bool ctrl);
  // Publishes the offer and state 4, and these keys over it, in one transaction; until the back end is
  // connected.
  void connect(const Keys& keys = {});
  void write(const std::string& key, const std::string& value);
  void close();

  // Buffers for frames of one slot; tell: with an event, whatever the event index says.
  void post(std::size_t queue, std::size_t count, bool tell = true);
  struct Received {
    std::size_t queue;
    std::vector<unsigned char> frame;
    std::optional<netif::HashBody> hash;
  };
  // The next frame, on whichever queue.
  Received receive();
  // An extra of queue 0's guest_tx ring with a dummy request; the status of its answer.
  std::int16_t send_extra(const netif::ExtraInfo& extra);

  // A request on the control ring, and its answer. page: what lies in the page that ctrl_gref() grants.
  netif::CtrlResponse ask(std::uint16_t type, std::array<std::uint32_t, 3> data,
                          std::span<const std::byte> page = {});
  [[nodiscard]] std::uint32_t ctrl_gref() const { return ctrl_data_.grefs()[0]; }
  // The control ring's producer, forged, and an event.
  void forge_ctrl_index(std::uint32_t produced);
  // Until the back end is in this state.
  void wait_for(xenstore::XenbusState state);
  // Until there is a node of this name in its own directory.
  void wait_for_node(const std::string& name);

 private:
  struct Queue {
    xen::SharedPages tx_page, rx_page, buffers;
    EvtchnPort port;
    std::optional<netif::TxFront> tx;
    std::optional<netif::RxFront> rx;
    std::uint16_t next_buffer = 0;
  };
  Queue make_queue();
  [[nodiscard]] std::optional<Received> take(std::size_t number);
  void settle() { loop_.run_one(); }

  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_;
  std::string directory_, backend_;
  DomId peer_;
  std::optional<xen::GrantShare> shares_;
  std::optional<xen::EventChannels> channels_;
  std::unique_ptr<event::FdWatcher> watcher_;
  std::vector<Queue> queues_;
  xen::SharedPages ctrl_page_, ctrl_data_;
  EvtchnPort ctrl_port_{};
  std::optional<netif::CtrlFront> ctrl_;
};

}  // namespace hush::scenario
