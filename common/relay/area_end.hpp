// An end of an area at work on a data thread: serves both directions between the rings and its port, sleeps
// by the mode word and the room word, and watches whether the peer goes on (common/area/README.md, 5 to 7).
//
// The rings' memory, the channels and the port are the owner's and outlive it; the owner hands it the events
// of its channels. Everything on the data thread, construction and destruction too.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/area/demand.hpp"
#include "common/area/ring_pair.hpp"
#include "common/event/data_thread.hpp"
#include "common/relay/counters.hpp"
#include "common/relay/port.hpp"
#include "common/relay/progress.hpp"

namespace hush::relay {

class AreaEnd final : private event::Served {
 public:
  struct Setup {
    area::Side area;
    EvtchnPort in_port;   // of the direction that this end consumes
    EvtchnPort out_port;  // of the other; the same where one channel serves both
    std::chrono::milliseconds stall{};
    area::MappedKeeper* keeper =
        nullptr;  // of the owner: where this end keeps where it stands; null: nowhere
  };
  // Where an end that died stood, by its keeper; and the area that is staged.
  struct Stood {
    area::RingPair::Positions at;
    area::Sleeps sleeps;
    std::optional<area::Side> staged;
  };
  struct Reports {
    std::function<void(std::string_view reason)>
        fault;  // once: the peer lied, or the port is lost; it has stopped
    std::function<void(std::optional<Standstill>)> stall;  // the peer stands still; none: not any more
    std::function<void()>
        moved;  // both directions are in the next area: the one before is not touched any more
    std::function<void()> stirs = {};  // the first frame after demands() that were nothing
  };

  AreaEnd(event::DataThread& thread, const Setup& setup, Port& port, EndCounters& counters, Reports reports)
      : AreaEnd(thread, setup, port, counters, std::move(reports), std::nullopt) {}
  // Goes on for an end that died; where fault() says that it cannot, it is not to be started.
  AreaEnd(event::DataThread& thread, const Setup& setup, Port& port, EndCounters& counters, Reports reports,
          const std::optional<Stood>& stood);
  ~AreaEnd();
  AreaEnd(const AreaEnd&) = delete;
  AreaEnd& operator=(const AreaEnd&) = delete;

  [[nodiscard]] area::Fault fault() const { return rings_.fault(); }
  // Traffic begins.
  void start() { wake(); }
  // The same, after another end that died: an event of its may have been lost with it.
  void start_again();
  // An event came on one of the channels.
  void on_event();
  // Looks whether there is something to do.
  void wake();
  void set_stall(std::chrono::milliseconds bound) { stall_ = bound; }
  void set_polling(const poll::Rules& rules);
  // Of what it takes from the peer, from now on; null: no limit.
  void meter(Meter* meter);

  // The back end: it is ready to follow the front end there. Not while another is staged.
  void stage(const area::Side& next, const area::Seat& seat = {}) { rings_.stage(next, seat); }
  // It is not any more. False: it has followed, and moved() was called; or, where the front end has not
  // withdrawn it, there is something to read first.
  [[nodiscard]] bool unstage(bool withdrawn) { return rings_.unstage(withdrawn); }
  // The front end: it moves there now. Not while it moves already.
  void move(const area::Side& next);

  // What both directions asked of their rings since the last call. Where that is nothing, the next frame is
  // told: Reports::stirs.
  struct Demands {
    area::DemandSample in, out;
  };
  [[nodiscard]] Demands demands();

  // "polls", "sleeps", "stalled", "failed", or what it waits for.
  [[nodiscard]] std::string_view state() const;
  [[nodiscard]] std::optional<Standstill> standstill() const { return standstill_; }
  [[nodiscard]] const poll::Patience& polling() const { return patience; }

 private:
  using Clock = std::chrono::steady_clock;
  std::uint64_t turn() override;
  bool rest() override;
  void stay_awake();
  void settle(const Exchange& exchange);
  void tell();
  void count_demand(const Exchange& exchange);
  [[nodiscard]] bool cross();
  [[nodiscard]] bool ended_by_fault();
  void fail(std::string_view reason);
  void listen();
  bool sleep();
  void wait_for_credit();
  void watch();
  void on_watch();
  void begin_watch_anew();
  void set_standstill(std::optional<Standstill> standstill);

  event::DataThread& thread_;
  area::RingPair rings_;
  EvtchnPort in_port_, out_port_;
  Meter* meter_ = nullptr;
  std::chrono::milliseconds stall_;
  area::Demand in_demand_{area::Demand::End::consumer}, out_demand_{area::Demand::End::producer};
  std::uint32_t unlooked_ = 0;  // bytes that were published since the peer's index was looked at
  bool quiet_ = false;          // the last demands() were nothing
  Port& port_;
  EndCounters& counters_;
  Reports reports_;

  std::unique_ptr<event::FdWatcher> watcher_;  // of the port; null: it has no descriptor
  bool sleeping_ = false;                      // the mode word has the number of a sleep
  bool waiting_ = false;                       // the room word has
  bool port_rests_ = false;                    // the port was asked to rest
  bool short_of_credit_ = false;
  boost::asio::steady_timer credit_timer_;
  Progress progress_;
  boost::asio::steady_timer watch_timer_;
  bool watching_ = false;
  Clock::time_point moved_;      // when the peer was last seen to move
  std::uint32_t stands_at_ = 0;  // its index, while it stands still
  std::optional<Standstill> standstill_;
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for timers on their way
};

}  // namespace hush::relay
