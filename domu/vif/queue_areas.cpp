#include "domu/vif/queue_areas.hpp"

#include <utility>

namespace hush::domu {
namespace {

// Stall bounds that the back end has for its answer (common/area/README.md, section 10, point 10).
constexpr int kPatience = 10;

std::string in_kib(area::Sizes sizes) {
  return std::to_string(sizes.guest_tx / 1024) + " + " + std::to_string(sizes.guest_rx / 1024) + " KiB";
}

}  // namespace

std::optional<area::Sizes> sizes_to_offer(const xenstore::AreaTarget& target, const area::Header& in_use) {
  const area::Sizes& advised = target.rings;
  const area::Sizes least = area::least_sizes(in_use);
  if (!area::is_ring_length(advised.guest_tx) || !area::is_ring_length(advised.guest_rx)) return std::nullopt;
  if (advised.guest_tx < least.guest_tx || advised.guest_rx < least.guest_rx) return std::nullopt;
  if (advised == area::sizes_of(in_use)) return std::nullopt;
  return advised;
}

std::optional<area::Sizes> next_smaller(area::Sizes wanted, const area::Header& in_use) {
  const area::Sizes now = area::sizes_of(in_use);
  area::Sizes smaller = wanted;
  if (wanted.guest_tx > now.guest_tx) smaller.guest_tx /= 2;
  if (wanted.guest_rx > now.guest_rx) smaller.guest_rx /= 2;
  if (smaller == wanted || smaller == now) return std::nullopt;
  return smaller;
}

QueueAreas::QueueAreas(Setup setup, SharedArea first, std::chrono::milliseconds stall)
    : setup_(std::move(setup)),
      in_use_(std::move(first)),
      patience_(kPatience * stall),
      generation_(in_use_.header().generation),
      late_(setup_.loop),
      watches_(setup_.store) {}

Result<void> QueueAreas::follow() {
  for (const std::string& path :
       {xenstore::area_target_path(setup_.backend), xenstore::area_reply_path(setup_.backend)})
    if (auto done = watches_.add(path, [this] { look(); }); !done) return done;
  return {};
}

void QueueAreas::look() {
  if (moving_) return;
  const auto view = setup_.store.view();
  if (next_) {
    const auto reply = xenstore::read_area_reply(view, setup_.backend);
    if (!reply) return report(reply.error());
    if (!*reply || (*reply)->number != generation_) return;
    if (!(*reply)->refused.empty()) return withdraw("the back end refuses it: " + (*reply)->refused);
    late_.cancel();
    waiting_ = false;
    moving_ = true;
    return setup_.move(next_->view());
  }
  const auto target = xenstore::read_area_target(view, setup_.backend);
  if (!target) return report(target.error());
  if (!*target || (*target)->number == answered_) return;
  answered_ = (*target)->number;
  offer(**target);
}

void QueueAreas::offer(const xenstore::AreaTarget& target) {
  auto wanted = sizes_to_offer(target, in_use_.header());
  if (!wanted) return decline(target.number, "its rings make no sense here");
  std::string why;
  for (; wanted; wanted = next_smaller(*wanted, in_use_.header())) {
    auto made =
        SharedArea::create(setup_.shares, setup_.peer,
                           area::header_after(in_use_.header(), generation_ + 1, *wanted), setup_.port);
    if (made) {
      next_ = std::move(*made);
      break;
    }
    if (why.empty()) why = made.error().text;
  }
  if (!next_) return decline(target.number, why);
  if (!why.empty())
    setup_.say("an area of " + in_kib(*wanted) + " in the place of the one that was advised: " + why);
  ++generation_;
  // The guest may have no more nodes in the store: then the decline may fail too, and the back end stops
  // waiting.
  if (auto done = xenstore::write_area_offer(setup_.store, setup_.device, setup_.own,
                                             {generation_, next_->address()});
      !done) {
    next_.reset();
    return decline(target.number, done.error().text);
  }
  wait();
}

void QueueAreas::decline(std::uint32_t advice, const std::string& why) {
  setup_.say("its area stays as it is: " + why);
  report(xenstore::write_area_declined(setup_.store, setup_.device, setup_.own, {advice, why}));
}

// Nothing of it was used: the back end may still map it, and then the kernel keeps the pages aside.
void QueueAreas::withdraw(const std::string& why) {
  late_.cancel();
  waiting_ = false;
  setup_.say("its area stays as it is: " + why);
  report(xenstore::withdraw_area_offer(setup_.store, setup_.device, setup_.own));
  next_.reset();
}

void QueueAreas::moved() {
  if (!moving_) return;
  moving_ = false;
  in_use_ = std::move(*next_);  // and the grants of the one before end
  next_.reset();
  setup_.say("goes on in an area of " + in_kib(area::sizes_of(in_use_.header())) + ", generation " +
             std::to_string(in_use_.header().generation));
  report(xenstore::settle_area_offer(setup_.store, setup_.device, setup_.own, in_use_.address()));
  look();  // what was advised meanwhile
}

void QueueAreas::wait() {
  waiting_ = true;
  late_.expires_after(patience_);
  late_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (stopped || alive.expired() || !next_ || moving_) return;
    withdraw("the back end gives no answer");
  });
}

std::optional<std::chrono::steady_clock::time_point> QueueAreas::due() const {
  return waiting_ ? std::optional(late_.expiry()) : std::nullopt;
}

void QueueAreas::report(const Result<void>& done) {
  if (done || done.error().text == trouble_) return;
  trouble_ = done.error().text;
  setup_.say(trouble_);
}

}  // namespace hush::domu
