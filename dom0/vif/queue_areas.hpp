// The areas of a queue: the one in use, and for the time of a switch the next (common/area/README.md, section
// 10, the back end's side). Maps and unmaps them, answers the front end's offers, and has the queue follow.
//
// What is to be done with an offer is decided by judge_offer(), which is pure. Control thread only; the queue
// lives on its data thread, and none of an area's memory is unmapped while that may touch it.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dom0/vif/mapped_area.hpp"
#include "xenstore/area_switch.hpp"

namespace hush::dom0 {

// What became of an advice.
enum class SwitchEnd : std::uint8_t {
  moved,      // both directions are in the next area
  declined,   // by the front end, or nothing came
  refused,    // by this end
  abandoned,  // withdrawn by the front end, or it did not move in time
};

class QueueAreas {
 public:
  // What of the queue takes part. Called on the control thread.
  struct Queue {
    // From now on it follows there.
    std::function<void(const area::View& next, const area::Seat& seat)> stage;
    std::function<bool(bool withdrawn)> unstage;        // as relay::AreaEnd
    std::function<void()> forget_left;                  // the area that it has moved out of is to be unmapped
    std::function<void(std::uint32_t number)> advises;  // an advice of this number is to be given
  };
  struct Setup {
    boost::asio::io_context& loop;
    xenstore::Client& store;
    xen::GrantTable& grants;  // of the control thread
    xenstore::VifId vif;
    std::string directory;  // of the queue, in the back end's
    std::string frontend;   // of the queue, in the front end's
    EvtchnPort port;        // own, of guest_tx's channel
    std::uint32_t max_pages = 0;
    std::string name;  // for the log
    // A switch ended. why: of one that did not come to be.
    std::function<void(SwitchEnd end, const std::string& why)> on_end;
  };

  // Maps again what a daemon that died had mapped; the error is why the connection cannot go on. first: what
  // the front end's keys name. at: by the file; `alone` afterwards, where what was staged is not any more.
  static Result<std::unique_ptr<QueueAreas>> resume(Setup setup, const xenstore::AreaAddress& first,
                                                    area::Standing& at);
  // Maps the area that the connection begins with; the error is the reason of a refusal.
  static Result<std::unique_ptr<QueueAreas>> begin(Setup setup, const xenstore::AreaAddress& first);
  ~QueueAreas() = default;
  QueueAreas(const QueueAreas&) = delete;
  QueueAreas& operator=(const QueueAreas&) = delete;

  // The connection stands. The front end's stall bound, ten of which are its time for each step.
  void serve(Queue queue, std::chrono::milliseconds stall);
  // Advises the front end to go on in rings of these sizes; at least least_sizes() of the area in use. False:
  // a switch is under way, or this is what is in use.
  bool advise(area::Sizes sizes);
  // The queue is in the next area.
  void moved();

  [[nodiscard]] area::View in_use() const { return in_use_.view(); }
  [[nodiscard]] area::Seat seat() const { return in_use_.seat(); }
  // After resume(): the one that is staged, and the one that was left, until serve().
  [[nodiscard]] std::optional<area::View> staged() const;
  [[nodiscard]] std::optional<area::View> left() const;
  [[nodiscard]] const area::Header& header() const { return in_use_.header(); }
  // What the front end was advised to, until it has moved or the advice is taken back.
  [[nodiscard]] const std::optional<xenstore::AreaTarget>& advised() const { return advised_; }
  // Pages of both areas.
  [[nodiscard]] std::uint32_t pages() const;
  [[nodiscard]] bool switching() const { return advised_.has_value() || next_.has_value(); }

 private:
  QueueAreas(Setup setup, MappedArea first);
  [[nodiscard]] bool watch();
  void take_up_staged();
  void look();
  void take(const xenstore::AreaOffer& offer);
  void refuse(std::uint32_t generation, const std::string& why);
  [[nodiscard]] bool drop_next(bool withdrawn);
  void give_up(SwitchEnd end, const std::string& why);
  void wait();
  void on_late();
  void say_once(const std::string& trouble);

  Setup setup_;
  Queue queue_{};
  std::chrono::milliseconds patience_{};
  MappedArea in_use_;
  std::optional<MappedArea> next_, left_;
  std::uint32_t last_offered_;  // highest generation that was offered
  std::uint32_t advices_ = 0;   // so far
  std::optional<xenstore::AreaTarget> advised_;
  boost::asio::steady_timer late_;
  unsigned refusals_ = 0;                                       // said or not, on this connection
  std::string trouble_;                                         // of the keys, as it was said last
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for the timer on its way
  xenstore::Watches watches_;  // last: their handlers are called until they go
};

// What is to be done now that the front end offers this, or nothing.
struct OfferStep {
  bool drop_next = false;     // the one that was mapped is withdrawn
  bool take = false;          // map what is offered
  std::string_view refuse{};  // not empty: answer this
  bool operator==(const OfferStep&) const = default;
};
// offered: its generation, 0: none. last: the highest that was seen before. next: that is mapped for the
// next, 0: none. advised: an advice is in force.
[[nodiscard]] OfferStep judge_offer(std::uint32_t offered, std::uint32_t last, std::uint32_t next,
                                    bool advised);

}  // namespace hush::dom0
