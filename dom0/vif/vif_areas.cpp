// The areas of a vif: how its queues come to have them, and how one gives way to another.
#include <spdlog/spdlog.h>

#include "common/step.hpp"
#include "dom0/area/pair_rules.hpp"
#include "dom0/vif/offered_bytes.hpp"
#include "dom0/vif/vif.hpp"

namespace hush::dom0 {
namespace {

// For the log: the vif's own name where it has one queue.
std::string queue_name(const Vif& vif, std::size_t number, std::size_t queues) {
  return queues == 1 ? vif.name() : vif.name() + ": queue " + std::to_string(number);
}

}  // namespace

// The areas of all queues, or none of them and why.
xenstore::AreaAnswer Vif::add_areas(const xenstore::FrontendOffer& frontend) {
  if (!session_before_ && (frontend.area_version == 0 || offered_.hush_area == 0)) return {};
  xenstore::AreaAnswer answer{xenstore::kFirstGeneration, frontend.area_trouble,
                              session_before_ ? *session_before_ : new_session()};
  if (answer.refused.empty() && session_before_ && !host_.inflight)
    answer.refused = "in-flight files cannot be used";
  if (answer.refused.empty() && !session_before_ && frontend.area_version > offered_.hush_area)
    answer.refused = "area version " + std::to_string(frontend.area_version) + " was not offered";
  for (std::size_t i = 0; i < frontend.queues.size() && answer.refused.empty(); ++i)
    if (auto done = add_area(frontend, i, answer.session); !done) answer.refused = done.error().text;
  // All of them before any moves a frame.
  for (std::size_t i = 0; i < queues_.size() && answer.refused.empty(); ++i)
    if (auto done = begin_area(i, answer.session); !done) answer.refused = done.error().text;
  if (!answer.refused.empty()) {
    drop_queues();
    if (!session_before_)
      spdlog::warn("{}: its areas are refused, it is served on the netif path: {}", name(), answer.refused);
    return answer;
  }
  HUSH_STEP("area-ready");
  for (std::size_t i = 0; i < queues_.size(); ++i) start_area(i);
  HUSH_STEP("area-started");
  return answer;
}

Result<void> Vif::add_area(const xenstore::FrontendOffer& frontend, std::size_t number,
                           std::uint64_t session) {
  if (!frontend.queues[number].area) return error("its keys name no area", EINVAL);
  auto port = make_port(number, frontend.queues.size());
  if (!port) return port.error();
  Worker& worker = host_.least_loaded();
  auto queue = worker.thread->call([&] {
    return AreaQueue::connect(worker, id_.domid, frontend.queues[number], std::move(*port),
                              counters_[number]);
  });
  if (!queue) return queue.error();
  const EvtchnPort channel = (*queue)->tx_port();
  place(worker, std::move(*queue));
  Placed& placed = queues_.back();
  // The governor counts a vif's areas once all are there: those before this one are counted here.
  if (!host_.governor.has_room(offered_bytes(std::span(frontend.queues).first(number + 1))))
    return error("no room for it in what the areas of this host may take (hushring/area-budget)");

  const std::size_t queues = frontend.queues.size();
  QueueAreas::Setup setup{.loop = host_.loop,
                          .store = host_.store,
                          .grants = host_.grants,
                          .vif = id_,
                          .directory = xenstore::queue_path(xenstore::backend_path(id_), number, queues),
                          .frontend = xenstore::queue_path(frontend_, number, queues),
                          .port = channel,
                          .max_pages = max_area_pages(),
                          .name = queue_name(*this, number, queues),
                          .on_end = [this, number](SwitchEnd end, const std::string& why) {
                            host_.governor.ended({id_, number}, end, why);
                          }};
  const xenstore::AreaAddress& first = *frontend.queues[number].area;
  if (session_before_) {
    auto file = open_area_file(host_.inflight->file(id_, number),
                               area_identity(id_, number, frontend.queues[number], session));
    if (!file) return file.error();
    placed.file.emplace(std::move(*file));
  }
  auto areas = placed.file ? QueueAreas::resume(std::move(setup), first, placed.file->at)
                           : QueueAreas::begin(std::move(setup), first);
  if (!areas) return areas.error();
  HUSH_STEP("area-mapped");
  placed.areas = std::move(*areas);
  if (settings_.values.port == xenstore::PortKind::wire &&
      !area::takes_offloads(queues_.back().areas->header()))
    return error(
        "a wire carries what the other guest's kernel leaves undone: its rings must have 256 KiB or more");
  return {};
}

// Has its queue take up the area that it begins in, or go on where its file says.
Result<void> Vif::begin_area(std::size_t number, std::uint64_t session) {
  Placed& placed = queues_[number];
  auto& queue = static_cast<AreaQueue&>(*placed.queue);
  AreaQueue::Start start{.area = placed.areas->in_use(),
                         .file = std::exchange(placed.file, std::nullopt),
                         .again = session_before_.has_value(),
                         .staged = placed.areas->staged(),
                         .left = placed.areas->left()};
  if (!start.again && host_.inflight) {
    auto file = make_area_file(host_.inflight->file(id_, number),
                               area_identity(id_, number, addresses_[number], session), placed.areas->seat());
    if (file)
      start.file.emplace(std::move(*file));
    else
      spdlog::warn(
          "{}: queue {}: where its area stands is not kept, it would have to reconnect to a daemon after "
          "this one: {}",
          name(), number, file.error().text);
  }
  const auto moved = [this, number, connection = connects_, post = on_control()] {
    post([this, number, connection] {
      if (connection == connects_ && number < queues_.size()) queues_[number].areas->moved();
    });
  };
  const auto stirs = [this, number, post = on_control()] {
    post([this, number] { host_.governor.stirs({id_, number}); });
  };
  return placed.worker->thread->call(
      [&] { return queue.begin(std::move(start), timeouts(), reports_of(number), moved, stirs); });
}

void Vif::start_area(std::size_t number) {
  Placed& placed = queues_[number];
  auto& queue = static_cast<AreaQueue&>(*placed.queue);
  auto& thread = *placed.worker->thread;
  // What such a ring cannot take the kernel does before it sends.
  if (!area::takes_offloads(placed.areas->header())) (void)tap_.set_offloads({});
  thread.call([&] { queue.start(); });
  set_limits(placed);
  placed.areas->serve(
      {.stage = [&thread, &queue](const area::View& next,
                                  const area::Seat& seat) { thread.call([&] { queue.stage(next, seat); }); },
       .unstage = [&thread,
                   &queue](bool withdrawn) { return thread.call([&] { return queue.unstage(withdrawn); }); },
       .forget_left = [&thread, &queue] { thread.call([&] { queue.forget_left(); }); },
       .advises = [&thread, &queue](std::uint32_t advice) { thread.call([&] { queue.advises(advice); }); }},
      settings_.values.area_stall);
  const auto sample = [&thread, &queue] {
    const auto asked = thread.call([&] { return queue.demands(); });
    return PairSample{asked.in, asked.out};
  };
  host_.governor.join({id_, number}, {.name = queue_name(*this, number, queues_.size()),
                                      .areas = placed.areas.get(),
                                      .sample = sample,
                                      .rules = area_rules(number)});
}

PairRules Vif::area_rules(std::size_t number) const {
  return pair_rules(settings_.values, area::least_sizes(queues_[number].areas->header()));
}

std::uint32_t Vif::max_area_pages() const {
  constexpr std::uint32_t kKibOfPage = kPageSize / 1024;
  return settings_.values.area_limit / kKibOfPage;
}

}  // namespace hush::dom0
