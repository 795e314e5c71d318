#include "domu/vif/queue.hpp"

#include <utility>

#include "common/relay/tap_port.hpp"

namespace hush::domu {
namespace {

Result<void> share_into(xen::SharedPages& into, xen::GrantShare& shares, DomId peer, std::uint32_t pages,
                        bool writable) {
  auto got = shares.share(peer, pages, writable);
  if (!got) return got.error();
  into = std::move(*got);
  return {};
}

}  // namespace

Result<std::unique_ptr<Queue>> Queue::create(event::DataThread& thread, xen::GrantShare& shares,
                                             const Setup& setup, QueueCounters& counters, OnFault on_fault,
                                             OnStall on_stall) {
  std::unique_ptr<Queue> queue{
      new Queue(thread, shares, setup, counters, std::move(on_fault), std::move(on_stall))};
  if (auto done = queue->share_rings(); !done) return done.error();
  if (auto opened = thread.call([&] { return queue->open_channels(); }); !opened) return opened.error();
  return queue;
}

Queue::Queue(event::DataThread& thread, xen::GrantShare& shares, const Setup& setup, QueueCounters& counters,
             OnFault on_fault, OnStall on_stall)
    : thread_(thread),
      shares_(shares),
      setup_(setup),
      counters_(counters),
      on_fault_(std::move(on_fault)),
      on_stall_(std::move(on_stall)) {}

Queue::~Queue() {
  thread_.call([this] {
    netif_end_.reset();
    area_end_.reset();
    port_.reset();
    // After a restore another vif may have connected before this one ends.
    if (rx_port_ != tx_port_) thread_.unbind(rx_port_, life_);
    if (tx_port_ != EvtchnPort{}) thread_.unbind(tx_port_, life_);
  });
}

Result<void> Queue::share_rings() {
  for (xen::SharedPages* ring : {&tx_ring_, &rx_ring_})
    if (auto done = share_into(*ring, shares_, setup_.peer, 1, true); !done) return done;
  tx_ = netif::TxFront::create(shm::layout_at<netif::TxSring>(tx_ring_.base()));
  rx_ = netif::RxFront::create(shm::layout_at<netif::RxSring>(rx_ring_.base()));
  return {};
}

Result<void> Queue::share_buffers() {
  if (rx_buffers_.base()) return {};
  if (auto done = share_into(tx_buffers_, shares_, setup_.peer, GuestTx::kPages, false); !done) return done;
  return share_into(rx_buffers_, shares_, setup_.peer, GuestRx::kPages, true);
}

Result<void> Queue::share_area(area::Sizes sizes) {
  area_.reset();
  auto area = SharedArea::create(shares_, setup_.peer,
                                 area::header_of(xenstore::kFirstGeneration, sizes.guest_tx, sizes.guest_rx),
                                 tx_port_);
  if (!area) return area.error();
  area_ = std::move(*area);
  return {};
}

Result<void> Queue::open_channels() {
  life_ = thread_.life();
  auto tx = thread_.alloc_unbound(setup_.peer, [this] { on_event(tx_port_); });
  if (!tx) return tx.error();
  tx_port_ = rx_port_ = *tx;
  if (!setup_.split_event_channels) return {};
  auto rx = thread_.alloc_unbound(setup_.peer, [this] { on_event(rx_port_); });
  if (!rx) return rx.error();
  rx_port_ = *rx;
  return {};
}

// Before a start it is the back end that binds the channel, and nothing to be done.
void Queue::on_event(EvtchnPort port) {
  if (netif_end_)
    netif_end_->on_event(port);
  else if (area_end_)
    area_end_->on_event();
  else
    (void)thread_.listen(port, 0);
}

void Queue::start_netif() {
  const NetifEnd::Setup setup{.tx_ring = *tx_,
                              .rx_ring = *rx_,
                              .tx_buffers = tx_buffers_.run(),
                              .rx_buffers = rx_buffers_.run(),
                              .tx_grefs = tx_buffers_.grefs(),
                              .rx_grefs = rx_buffers_.grefs(),
                              .tap = setup_.tap,
                              .sg = setup_.sg,
                              .tx_port = tx_port_,
                              .rx_port = rx_port_};
  thread_.call([&] {
    netif_end_ = std::make_unique<NetifEnd>(
        thread_, setup, counters_, [this](Fault fault) { on_fault_(fault, std::string(name(fault))); });
    apply_polling();
  });
}

Result<void> Queue::start_area(const AreaPlace& place, std::chrono::milliseconds stall,
                               std::function<void()> on_moved) {
  areas_ = std::make_unique<QueueAreas>(
      QueueAreas::Setup{.loop = place.loop,
                        .store = place.store,
                        .shares = shares_,
                        .peer = setup_.peer,
                        .port = tx_port_,
                        .device = place.device,
                        .own = xenstore::queue_path(place.device, place.number, place.queues),
                        .backend = xenstore::queue_path(place.backend, place.number, place.queues),
                        .move =
                            [this](const area::View& next) {
                              thread_.call([&] { area_end_->move(area::front_side(next)); });
                            },
                        .say = place.say},
      std::move(*area_), stall);
  const relay::AreaEnd::Setup setup{
      .area = area::front_side(areas_->in_use()), .in_port = rx_port_, .out_port = tx_port_, .stall = stall};
  thread_.call([&] {
    port_ = std::make_unique<relay::TapPort>(setup_.tap);
    const auto fault = [this](std::string_view why) {
      on_fault_(port_->fault().empty() ? Fault::area_impossible : Fault::tap_lost, std::string(why));
    };
    area_end_ =
        std::make_unique<relay::AreaEnd>(thread_, setup, *port_, counters_.area,
                                         relay::AreaEnd::Reports{fault, on_stall_, std::move(on_moved)});
    area_end_->start();
    apply_polling();
  });
  return areas_->follow();
}

void Queue::set_polling(const poll::Rules& rules) {
  thread_.call([&] {
    polling_ = rules;
    apply_polling();
  });
}

void Queue::apply_polling() {
  if (netif_end_) netif_end_->set_polling(polling_);
  if (area_end_) area_end_->set_polling(polling_);
}

xenstore::QueueAddress Queue::address() const {
  xenstore::QueueAddress address{Gref{tx_ring_.grefs().front()}, Gref{rx_ring_.grefs().front()}, tx_port_,
                                 rx_port_};
  if (area_) address.area = area_->address();
  return address;
}

}  // namespace hush::domu
