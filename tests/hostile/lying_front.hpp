// A front end that is honest until told to lie: raw rings, raw keys, no TAP. Runs in a guest, real or
// simulated.
#pragma once
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/netif/wire.hpp"
#include "common/xen/event_channels.hpp"
#include "common/xen/grant_share.hpp"
#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::hostile {

class LyingFront {
 public:
  // Waits for the device, then restart()s.
  explicit LyingFront(std::uint32_t device);

  // Starts over, as a kexec'd guest does: Initialising, the back end's InitWait, then new rings, data pages
  // and a channel, all honest.
  void restart();
  // Publishes the offer and state 4. Keys in `forged` are written over it in the same transaction.
  void connect(const std::vector<std::pair<std::string, std::string>>& forged = {});
  // restart(), connect() and until the back end is connected.
  void reconnect();
  // Until this holds, looking again after each event of the store or of the channel, and now and then: what
  // happens in memory alone has none. False: not in twenty seconds.
  bool until(const std::function<bool()>& holds);
  // A key in the back end's directory, of those that are watched: of areas; empty: there is none.
  [[nodiscard]] std::string backend_says(const char* key);
  // Writes any text as this front end's state.
  void say_state(const std::string& text);
  // Says Closed, so that a detach need not wait for this front end.
  void close();
  // Until the back end is in one of these states; returns it.
  xenstore::XenbusState wait_for(std::vector<xenstore::XenbusState> states);

  // Puts requests as they are, publishes and notifies whatever the event index says.
  void send(const std::vector<netif::TxRequest>& requests);
  void post(const std::vector<netif::RxRequest>& requests);
  // Until that many answers have come, or the back end leaves Connected (then fewer).
  std::vector<netif::TxResponse> tx_answers(std::size_t count);
  void notify() { channels_->notify(port_); }
  // A channel in the place of the one that there is, which is closed; the back end does not know of it.
  void rebind();

  [[nodiscard]] netif::TxSring& tx_page() { return shm::layout_at<netif::TxSring>(tx_ring_.base()); }
  [[nodiscard]] netif::RxSring& rx_page() { return shm::layout_at<netif::RxSring>(rx_ring_.base()); }
  // An honest slot: 60 bytes of a frame from data page 0, to a group that bridges keep to themselves.
  [[nodiscard]] netif::TxRequest honest(std::uint16_t id) const;
  // Of the honest frame, from now on. Six bytes.
  void set_destination(const unsigned char* mac) { std::memcpy(data_.base(), mac, 6); }
  // The first bytes of it, for an area.
  void copy_frame(std::byte* to, std::size_t length) const { std::memcpy(to, data_.base(), length); }
  [[nodiscard]] std::uint32_t data_gref(std::size_t page) const { return data_.grefs()[page]; }
  [[nodiscard]] std::uint32_t tx_ring_gref() const { return tx_ring_.grefs()[0]; }
  [[nodiscard]] xenstore::XenbusState state();  // the back end's, now
  [[nodiscard]] std::uint32_t port() const { return port_.value; }
  // One more page, granted to the back end, for reading only or for both.
  xen::SharedPages share_page(bool writable) { return share_pages(1, writable); }
  xen::SharedPages share_pages(std::uint32_t count, bool writable);
  // Holds what a lie made for as long as this front end is there, or until something else is held.
  void keep(std::shared_ptr<void> made) { kept_ = std::move(made); }
  // What the back end says of an area that it does not take; empty: nothing.
  [[nodiscard]] std::string area_refusal();
  [[nodiscard]] xenstore::Client& store() { return *store_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  void settle();  // one turn of the loop: a store event or an event-channel one

  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_;
  std::string directory_;
  std::string backend_;
  DomId peer_;
  std::unique_ptr<xen::GrantShare> shares_;
  std::unique_ptr<xen::EventChannels> channels_;
  std::unique_ptr<event::FdWatcher> watcher_;
  xen::SharedPages tx_ring_, rx_ring_, data_;
  EvtchnPort port_;
  std::unique_ptr<netif::TxFront> tx_;
  std::unique_ptr<netif::RxFront> rx_;
  std::shared_ptr<void> kept_;  // before what it was granted by
};

// Ends the program with a line when a step that must work does not.
template <class T>
T must(Result<T> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace hush::hostile
