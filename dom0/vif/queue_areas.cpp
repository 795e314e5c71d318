#include "dom0/vif/queue_areas.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "common/step.hpp"

namespace hush::dom0 {
namespace {

// Stall bounds that the front end has for a step (common/area/README.md, section 10, point 10).
constexpr int kPatience = 10;
// Refusals of a connection that are said.
constexpr unsigned kRefusalsSaid = 8;

}  // namespace

OfferStep judge_offer(std::uint32_t offered, std::uint32_t last, std::uint32_t next, bool advised) {
  OfferStep step;
  step.drop_next = next != 0 && offered != next;
  if (offered == 0 || offered == next || offered == last) return step;
  if (offered < last)
    step.refuse = "an area of a later generation was offered before";
  else if (!advised)
    step.refuse = "no other area was advised";
  else
    step.take = true;
  return step;
}

Result<std::unique_ptr<QueueAreas>> QueueAreas::begin(Setup setup, const xenstore::AreaAddress& first) {
  auto area =
      MappedArea::map(setup.grants, setup.vif.domid, first, setup.max_pages, setup.port, judge_first_area);
  if (!area) return area.error();
  return std::unique_ptr<QueueAreas>{new QueueAreas(std::move(setup), std::move(*area))};
}

Result<std::unique_ptr<QueueAreas>> QueueAreas::resume(Setup setup, const xenstore::AreaAddress& first,
                                                       area::Standing& at) {
  const auto view = setup.store.view();
  // Its keys name the area in use, or still the one before, and the one in use as the offer.
  auto offer = xenstore::read_area_offer(view, setup.frontend);
  const bool offered = offer && *offer && (*offer)->generation == at.seat.generation &&
                       (*offer)->address.header_page == at.seat.header_page;
  if (first.header_page != at.seat.header_page && !offered)
    return error("its keys name another area than the one in use", EINVAL);
  const auto map = [&](const area::Seat& seat) {
    return MappedArea::map(setup.grants, setup.vif.domid, {seat.header_page, seat.pages}, setup.max_pages,
                           setup.port,
                           [&](const area::Header& header) { return area::refusal_to_resume(header, seat); });
  };
  auto in_use = map(at.seat);
  if (!in_use) return in_use.error();
  std::unique_ptr<QueueAreas> areas{new QueueAreas(std::move(setup), std::move(*in_use))};
  areas->advices_ = at.advices;
  if (auto said = xenstore::read_area_reply(view, areas->setup_.directory); said && *said)
    areas->last_offered_ = std::max(areas->last_offered_, (*said)->number);
  if (at.step == area::Standing::Step::alone) return areas;
  auto other = map(at.other);
  if (at.step == area::Standing::Step::left) {
    // One that is not there any more: the front end has read our SWITCH, and ended its grants.
    if (other) areas->left_ = std::move(*other);
    return areas;
  }
  areas->last_offered_ = std::max(areas->last_offered_, at.other.generation);
  if (other) {
    areas->next_ = std::move(*other);
    areas->advised_ = xenstore::AreaTarget{at.advices, at.other.rings};
  } else {  // withdrawn, or nobody will ever go there
    at.step = area::Standing::Step::alone;
    areas->refuse(at.other.generation, other.error().text);
  }
  return areas;
}

std::optional<area::View> QueueAreas::staged() const {
  return next_ ? std::optional(next_->view()) : std::nullopt;
}
std::optional<area::View> QueueAreas::left() const {
  return left_ ? std::optional(left_->view()) : std::nullopt;
}

QueueAreas::QueueAreas(Setup setup, MappedArea first)
    : setup_(std::move(setup)),
      in_use_(std::move(first)),
      last_offered_(in_use_.header().generation),
      late_(setup_.loop),
      watches_(setup_.store) {}

void QueueAreas::serve(Queue queue, std::chrono::milliseconds stall) {
  queue_ = std::move(queue);
  patience_ = kPatience * stall;
  left_.reset();
  if (next_) return take_up_staged();
  // An advice of a daemon that died is taken back: nothing came of it so far.
  if (advices_ != 0) (void)xenstore::remove_area_target(setup_.store, setup_.vif, setup_.directory);
}

// Whether the front end was told of it died with the daemon that staged it, and it may be withdrawn since.
void QueueAreas::take_up_staged() {
  (void)watch();
  look();
  if (!next_) return;
  if (auto done = xenstore::write_area_reply(setup_.store, setup_.vif, setup_.directory,
                                             {next_->header().generation});
      !done)
    spdlog::warn("{}: {}", setup_.name, done.error().text);
  HUSH_STEP("resume-answered");
  wait();
}

// Watched from the first advice on: most pairs never need it, and the store's watches are counted.
bool QueueAreas::watch() {
  if (!watches_.empty()) return true;
  for (const std::string& path :
       {xenstore::area_offer_path(setup_.frontend), xenstore::area_declined_path(setup_.frontend)})
    if (auto done = watches_.add(path, [this] { look(); }); !done) {
      watches_.clear();
      spdlog::warn("{}: its area stays as it is: {}", setup_.name, done.error().text);
      return false;
    }
  return true;
}

bool QueueAreas::advise(area::Sizes sizes) {
  if (switching() || sizes == area::sizes_of(header())) return false;
  if (!watch()) return false;
  advised_ = xenstore::AreaTarget{++advices_, sizes};
  queue_.advises(advices_);  // first: no number is used twice
  HUSH_STEP("switch-numbered");
  if (auto done = xenstore::write_area_target(setup_.store, setup_.vif, setup_.directory, *advised_); !done) {
    spdlog::warn("{}: {}", setup_.name, done.error().text);
    advised_.reset();
    return false;
  }
  HUSH_STEP("switch-advised");
  wait();
  return true;
}

void QueueAreas::look() {
  const auto view = setup_.store.view();
  auto offer = xenstore::read_area_offer(view, setup_.frontend);
  if (!offer) return say_once(offer.error().text);
  const std::uint32_t offered = *offer ? (*offer)->generation : 0;
  const OfferStep step = judge_offer(offered, last_offered_, next_ ? next_->header().generation : 0,
                                     advised_.has_value() && !next_);
  if (step.drop_next && drop_next(true))
    give_up(SwitchEnd::abandoned, "the front end has withdrawn its area");
  if (offered > last_offered_) last_offered_ = offered;
  if (step.take)
    take(**offer);
  else if (!step.refuse.empty())
    refuse(offered, std::string(step.refuse));
  if (!advised_ || next_) return;
  auto declined = xenstore::read_area_declined(view, setup_.frontend);
  if (!declined) return say_once(declined.error().text);
  if (*declined && (*declined)->number == advised_->number)
    give_up(SwitchEnd::declined, (*declined)->refused);
}

void QueueAreas::take(const xenstore::AreaOffer& offer) {
  auto area =
      MappedArea::map(setup_.grants, setup_.vif.domid, offer.address, setup_.max_pages, setup_.port,
                      [&](const area::Header& next) {
                        return area::refusal_to_follow(next, header(), offer.generation, advised_->rings);
                      });
  if (!area) {
    refuse(offer.generation, area.error().text);
    return give_up(SwitchEnd::refused, area.error().text);
  }
  next_ = std::move(*area);
  HUSH_STEP("switch-mapped");
  queue_.stage(next_->view(), next_->seat());
  HUSH_STEP("switch-staged");
  // The front end may move the moment that it reads this.
  if (auto done = xenstore::write_area_reply(setup_.store, setup_.vif, setup_.directory, {offer.generation});
      !done)
    spdlog::warn("{}: {}", setup_.name, done.error().text);
  HUSH_STEP("switch-answered");
  wait();
}

void QueueAreas::refuse(std::uint32_t generation, const std::string& why) {
  // A guest may offer as often as it likes; the log is the admin's.
  spdlog::log(++refusals_ <= kRefusalsSaid ? spdlog::level::warn : spdlog::level::debug,
              "{}: the area of generation {} is refused: {}", setup_.name, generation, why);
  if (auto done = xenstore::write_area_reply(setup_.store, setup_.vif, setup_.directory, {generation, why});
      !done)
    spdlog::warn("{}: {}", setup_.name, done.error().text);
}

// False: the queue has moved there already, and moved() is on its way; or it may yet.
bool QueueAreas::drop_next(bool withdrawn) {
  if (!queue_.unstage(withdrawn)) return false;
  next_.reset();
  return true;
}

void QueueAreas::give_up(SwitchEnd end, const std::string& why) {
  late_.cancel();
  advised_.reset();
  (void)xenstore::remove_area_target(setup_.store, setup_.vif, setup_.directory);
  setup_.on_end(end, why);
}

void QueueAreas::moved() {
  if (!next_) return;
  late_.cancel();
  HUSH_STEP("switch-moved");
  queue_.forget_left();
  HUSH_STEP("switch-forgotten");
  in_use_ = std::move(*next_);  // and the one before is unmapped
  HUSH_STEP("switch-unmapped");
  next_.reset();
  advised_.reset();
  setup_.on_end(SwitchEnd::moved, {});
}

void QueueAreas::wait() {
  late_.expires_after(patience_);
  late_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& stopped) {
    if (!stopped && !alive.expired()) on_late();
  });
}

void QueueAreas::on_late() {
  if (!next_) return give_up(SwitchEnd::declined, "the front end does not follow the advice");
  const std::uint32_t generation = next_->header().generation;
  if (!drop_next(false)) return wait();
  refuse(generation, "no switch to it came in time");
  give_up(SwitchEnd::abandoned, "the front end does not move");
}

std::uint32_t QueueAreas::pages() const {
  return header().pages + (next_ ? next_->header().pages : 0);
}

void QueueAreas::say_once(const std::string& trouble) {
  if (trouble == trouble_) return;
  trouble_ = trouble;
  spdlog::log(++refusals_ <= kRefusalsSaid ? spdlog::level::warn : spdlog::level::debug, "{}: {}",
              setup_.name, trouble);
}

}  // namespace hush::dom0
