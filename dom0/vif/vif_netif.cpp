// The queues of a vif on the netif path, and what is kept of them for a daemon after this one.
#include <spdlog/spdlog.h>

#include "dom0/vif/vif.hpp"

namespace hush::dom0 {

Result<void> Vif::add_queues(const xenstore::FrontendOffer& frontend) {
  if (frontend.ctrl) {
    control_worker_ = &host_.least_loaded();
    steering_ = std::make_unique<Steering>(static_cast<std::uint32_t>(frontend.queues.size()),
                                           *control_worker_->memory);
  }
  for (std::size_t i = 0; i < frontend.queues.size(); ++i) {
    Worker& worker = control_worker_ ? *control_worker_ : host_.least_loaded();
    if (auto done = add_queue(frontend, i, worker); !done) return done;
  }
  return frontend.ctrl ? add_control(frontend) : Result<void>();
}

Result<void> Vif::add_queue(const xenstore::FrontendOffer& frontend, std::size_t number, Worker& worker) {
  auto queue = worker.thread->call([&] {
    return NetifQueue::connect(worker, id_.domid, frontend.queues[number], frontend.features, tap_.fd(number),
                               counters_[number], VifShare{multicast_, steering_.get(), number, id_.handle},
                               reports_of(number), inflight_file(number));
  });
  if (!queue) return queue.error();
  say_how_resumed(number, (*queue)->resumed());
  place(worker, std::move(*queue));
  set_limits(queues_.back());
  return {};
}

TxFile Vif::inflight_file(std::size_t queue) const {
  if (!host_.inflight) return {};
  return {host_.inflight->file(id_, queue), served_before_};
}

void Vif::say_how_resumed(std::size_t queue, const TxResumed& resumed) {
  QueueCounters& counters = counters_[queue];
  if (!resumed.not_kept.empty())
    spdlog::warn("{}: queue {}: requests in progress are not kept for a daemon after this one: {}", name(),
                 queue, resumed.not_kept);
  switch (resumed.from) {
    case TxResumed::From::start:
      break;
    case TxResumed::From::ring:
      counters.inflight_missing.add();
      spdlog::info("{}: queue {}: goes on where its ring says: there is no in-flight file", name(), queue);
      break;
    case TxResumed::From::ring_not_file:
      counters.inflight_refused.add();
      spdlog::warn("{}: queue {}: goes on where its ring says: {}", name(), queue, resumed.refused);
      break;
    case TxResumed::From::file:
      counters.inflight_taken.add(resumed.taken);
      counters.inflight_sent.add(resumed.sent);
      counters.inflight_answered.add(resumed.answered);
      spdlog::info(
          "{}: queue {}: goes on where its in-flight file says: {} requests taken, {} of them sent; {} just "
          "answered",
          name(), queue, resumed.taken, resumed.sent, resumed.answered);
      break;
  }
}

void Vif::forget_inflight() {
  if (!host_.inflight) return;
  if (auto done = host_.inflight->forget(id_); !done) spdlog::warn("{}: {}", name(), done.error().text);
}

Result<void> Vif::add_control(const xenstore::FrontendOffer& frontend) {
  auto ring = control_worker_->thread->call([&] {
    return CtrlRing::connect(*control_worker_->thread, *control_worker_->memory, id_.domid, *frontend.ctrl,
                             *steering_, on_fault());
  });
  if (!ring) return ring.error();
  ctrl_ring_ = std::move(*ring);
  return {};
}

}  // namespace hush::dom0
