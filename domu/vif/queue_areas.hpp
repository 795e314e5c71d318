// The areas of a queue: the one in use, and for the time of a switch the next (common/area/README.md, section
// 10, the front end's side). Follows what the back end advises: grants the next, offers it, and has the queue
// move once it is mapped there.
//
// Control thread only; the queue may be on another. None of an area's memory is given up while the queue, or
// the back end, may touch it: what the back end still maps stays with the kernel until it lets go.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "domu/vif/shared_area.hpp"
#include "xenstore/area_switch.hpp"

namespace hush::domu {

class QueueAreas {
 public:
  struct Setup {
    boost::asio::io_context& loop;
    xenstore::Client& store;
    xen::GrantShare& shares;
    DomId peer;
    EvtchnPort port;                                   // own, of guest_tx's channel
    std::string device;                                // the front end's directory
    std::string own;                                   // of the queue in it
    std::string backend;                               // of the queue in the back end's
    std::function<void(const area::View& next)> move;  // the queue is to go on there
    std::function<void(const std::string& text)> say;  // what an admin is to know
  };
  // first: the area that the connection began with, which the back end has acknowledged.
  QueueAreas(Setup setup, SharedArea first, std::chrono::milliseconds stall);
  ~QueueAreas() = default;
  QueueAreas(const QueueAreas&) = delete;
  QueueAreas& operator=(const QueueAreas&) = delete;

  // Watches what the back end advises; an error: the area stays as it is.
  Result<void> follow();
  // The queue is in the next area, and does not touch the one before any more.
  void moved();
  // When the loop is to be run although nothing has happened.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> due() const;

  [[nodiscard]] area::View in_use() const { return in_use_.view(); }
  [[nodiscard]] bool moving() const { return moving_; }

 private:
  void look();
  void offer(const xenstore::AreaTarget& target);
  void decline(std::uint32_t advice, const std::string& why);
  void withdraw(const std::string& why);
  void wait();
  void report(const Result<void>& done);

  Setup setup_;
  SharedArea in_use_;
  std::chrono::milliseconds patience_;
  std::optional<SharedArea> next_;  // offered
  bool moving_ = false;             // to it: it cannot be withdrawn any more
  std::uint32_t generation_;        // of the last area that was offered
  std::uint32_t answered_ = 0;      // the last advice that was followed or declined
  boost::asio::steady_timer late_;
  bool waiting_ = false;
  std::string trouble_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for the timer on its way
  xenstore::Watches watches_;  // last: their handlers are called until they go
};

// The sizes to grant for an advice: as advised, or what the longest frames need at least; nullopt: the advice
// is below that, or it is what is in use. Pure.
[[nodiscard]] std::optional<area::Sizes> sizes_to_offer(const xenstore::AreaTarget& target,
                                                        const area::Header& in_use);
// What to try where that cannot be had: half of what grows, until nothing does. Pure.
[[nodiscard]] std::optional<area::Sizes> next_smaller(area::Sizes wanted, const area::Header& in_use);

}  // namespace hush::domu
