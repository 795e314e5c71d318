#include "tests/scenario/raw_front.hpp"

#include <cstring>

#include "xenstore/keys.hpp"

namespace hush::scenario {
namespace {

using xenstore::XenbusState;
constexpr std::uint32_t kBuffers = 64;  // of a queue: each is used once

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

RawFront::RawFront(std::uint32_t device, std::size_t queues, bool ctrl)
    : store_(must(xenstore::Client::open(loop_), "xenstore")), directory_(xenstore::frontend_path(device)) {
  const auto settings = must(xenstore::read_frontend_settings(store_->view(), directory_), "no such device");
  backend_ = settings.backend;
  peer_ = settings.backend_id;
  must(store_->watch(backend_ + "/" + xenstore::key::kState, [](const std::string&) {}), "watch");
  wait_for(XenbusState::init_wait);
  shares_ = must(xen::GrantShare::open(), "gntalloc");
  channels_ = must(xen::EventChannels::open(), "evtchn");
  watcher_ = std::make_unique<event::FdWatcher>(loop_, channels_->fd(), [this] {
    while (const auto port = channels_->pending()) channels_->unmask(*port);
  });
  watcher_->on();
  for (std::size_t i = 0; i < queues; ++i) queues_.push_back(make_queue());
  if (!ctrl) return;
  ctrl_page_ = must(shares_->share(peer_, 1, true), "share");
  ctrl_data_ = must(shares_->share(peer_, 1, false), "share");
  ctrl_port_ = must(channels_->alloc_unbound(peer_), "alloc_unbound");
  ctrl_ = netif::CtrlFront::create(shm::layout_at<netif::CtrlSring>(ctrl_page_.base()));
}

RawFront::Queue RawFront::make_queue() {
  Queue queue;
  queue.tx_page = must(shares_->share(peer_, 1, true), "share");
  queue.rx_page = must(shares_->share(peer_, 1, true), "share");
  queue.buffers = must(shares_->share(peer_, kBuffers, true), "share");
  queue.port = must(channels_->alloc_unbound(peer_), "alloc_unbound");
  queue.tx = netif::TxFront::create(shm::layout_at<netif::TxSring>(queue.tx_page.base()));
  queue.rx = netif::RxFront::create(shm::layout_at<netif::RxSring>(queue.rx_page.base()));
  return queue;
}

void RawFront::connect(const Keys& keys) {
  xenstore::FrontendOffer offer;
  offer.features.sg = true;
  for (const Queue& queue : queues_)
    offer.queues.push_back(
        {Gref{queue.tx_page.grefs()[0]}, Gref{queue.rx_page.grefs()[0]}, queue.port, queue.port});
  if (ctrl_) offer.ctrl = xenstore::CtrlAddress{Gref{ctrl_page_.grefs()[0]}, ctrl_port_};
  must(store_->transact([&](xenstore::View& view) -> Result<void> {
    if (auto done = xenstore::write_frontend_offer(view, directory_, offer); !done) return done;
    for (const auto& [key, value] : keys)
      if (auto done = view.write(directory_ + "/" + key, value); !done) return done;
    return view.write(directory_ + "/" + xenstore::key::kState, to_text(XenbusState::connected));
  }),
       "publish");
  wait_for(XenbusState::connected);
}

void RawFront::write(const std::string& key, const std::string& value) {
  must(store_->view().write(directory_ + "/" + key, value), "write");
}

void RawFront::close() {
  must(xenstore::switch_state(*store_, directory_, XenbusState::closed), "close");
}

void RawFront::wait_for(XenbusState state) {
  while (must(xenstore::read_state(store_->view(), backend_), "the back end's state") != state) settle();
}

void RawFront::wait_for_node(const std::string& name) {
  const std::string path = directory_ + "/" + name;
  must(store_->watch(path, [](const std::string&) {}), "watch");
  while (!must(store_->view().read(path), "read")) settle();
}

void RawFront::post(std::size_t number, std::size_t count, bool tell) {
  Queue& queue = queues_[number];
  for (std::size_t i = 0; i < count; ++i, ++queue.next_buffer)
    queue.rx->put(netif::RxRequest{queue.next_buffer, 0, queue.buffers.grefs().at(queue.next_buffer)});
  (void)queue.rx->publish();
  if (tell) channels_->notify(queue.port);
}

RawFront::Received RawFront::receive() {
  for (;;) {
    bool again = false;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      if (auto received = take(i)) return std::move(*received);
      again |= queues_[i].rx->final_check();
    }
    if (!again) settle();
  }
}

std::optional<RawFront::Received> RawFront::take(std::size_t number) {
  Queue& queue = queues_[number];
  const auto pending = queue.rx->pending();
  if (!pending) throw std::runtime_error("the back end's guest_rx index is impossible");
  if (*pending == 0) return std::nullopt;
  const netif::RxResponse first = queue.rx->take();
  if (first.status < 0 || first.flags & netif::rx_flag::kMoreData)
    throw std::runtime_error("a frame of an error, or of several slots");
  Received received{number, std::vector<unsigned char>(static_cast<std::size_t>(first.status)), {}};
  const xen::SharedPages& pages = queue.buffers;
  shm::PageRun(pages.base(), kBuffers)
      .copy_out(first.id, first.offset, std::as_writable_bytes(std::span(received.frame)));
  for (bool more = first.flags & netif::rx_flag::kExtraInfo; more;) {
    netif::ExtraInfo extra;
    const netif::RxResponse slot = queue.rx->take();
    std::memcpy(&extra, &slot, sizeof extra);
    if (extra.type == netif::extra::kHash)
      received.hash = std::bit_cast<netif::HashBody>(std::to_array(extra.body));
    more = extra.flags & netif::extra::kMore;
  }
  return received;
}

std::int16_t RawFront::send_extra(const netif::ExtraInfo& extra) {
  Queue& queue = queues_[0];
  constexpr std::uint16_t kId = 4242;
  queue.tx->put(netif::TxRequest{0, 0, netif::tx_flag::kExtraInfo, kId, 0});
  queue.tx->put(extra);
  (void)queue.tx->publish();
  channels_->notify(queue.port);
  std::optional<std::int16_t> answer;
  // Two answers: of the request, and of the extra's slot, which says nothing.
  for (int taken = 0; taken < 2;) {
    const auto pending = queue.tx->pending();
    if (!pending) throw std::runtime_error("the back end's guest_tx index is impossible");
    for (std::uint32_t i = 0; i < *pending; ++i, ++taken)
      if (const auto response = queue.tx->take(); response.id == kId) answer = response.status;
    if (taken < 2 && !queue.tx->final_check()) settle();
  }
  return answer.value();
}

netif::CtrlResponse RawFront::ask(std::uint16_t type, std::array<std::uint32_t, 3> data,
                                  std::span<const std::byte> page) {
  shm::PageRun(ctrl_data_.base(), 1).copy_in(0, 0, page);
  ctrl_->put(netif::CtrlRequest{7, type, {data[0], data[1], data[2]}});
  (void)ctrl_->publish();
  channels_->notify(ctrl_port_);
  while (ctrl_->pending() == 0U)
    if (!ctrl_->final_check()) settle();
  return ctrl_->take();
}

void RawFront::forge_ctrl_index(std::uint32_t produced) {
  shm::layout_at<netif::CtrlSring>(ctrl_page_.base()).req_prod.store(produced, std::memory_order_seq_cst);
  channels_->notify(ctrl_port_);
}

}  // namespace hush::scenario
