// A vif for an application that wants no TAP: frames go between the application's memory accesses and the
// back end, without a system call a packet: through an area (common/area/README.md) of a hush-backd, or with
// any back end through the rings of <xen/io/netif.h>.
//
//   auto vif = hush::DirectVif::open({.device = 0});
//   for (;;) {
//     (*vif)->step();                            // connections come and go in here, and nowhere else
//     if (hush::Link* link = (*vif)->link())     // null: not connected
//       ... send and receive in bursts (link.hpp); nothing to do -> nothing_to_do = true
//     if (nothing_to_do) (*vif)->wait(std::chrono::seconds(1));   // or poll: leave this line out
//   }
//
// Threads: there is none of the library's own that moves frames; the thread that calls drives everything. Not
// thread-safe: all calls of one DirectVif, its links included, come from one thread at a time. (libxenstore
// keeps a thread of its own that reads the store's socket; block the signals that it must not take before
// open().)
//
// Polling and waiting: an application that does not wait is polling. Its mode word is 0, so the other end
// sends no event, and a burst costs no system call. step() costs some, so a poller calls it now and then:
// each millisecond is often enough for all that it does. To wait, may_wait() publishes a sleep number and
// looks once more; then fd() becomes readable as soon as there is something to do, and step() ends the sleep.
//
// Connections: the library follows the xenbus handshake. A back end that closes, is restarted or taken away
// costs the connection, not the DirectVif: it connects again by itself, at once, then after 1 s, 2 s ... 60
// s, until a connection lasts 10 s. Frames that were under way are lost with the connection (a network's
// promise). A back end that has no area path, or refuses the area, is served by netif's rings, unless
// Options::area_only or offloads forbid that: then it stays down and looks again with that delay, or, where
// it refuses, is barred as one that lies is, until the toolstack makes the device anew (detach, attach).
// reason() says what it is, and where it is barred the device's error node too, as of any front end.
//
// A guest that is saved and restored costs the connection too, and step() or wait() makes another; fd() stays
// as it is. The event channel of before is dead, and must not be closed while the guest runs
// (common/xen/dead_channels.hpp): Options::keeper names a program that keeps it. An application may be that
// itself: its main begins with a call of xen::keep_dead_channels() where its one argument is
// xen::kKeepsDeadChannels, and the keeper is /proc/self/exe. Without a keeper, which is said, the channel
// stays with this process: all goes on, and the kernel stops the thread that ends the process.
//
// Rights: as hush-frontd, /dev/xen/{xenbus,evtchn,gntalloc}; of gntalloc's limit 4 pages a vif and its two
// rings, or 514 pages by netif. One front end drives a device: not the kernel's, not a hush-frontd beside it.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/unique_fd.hpp"
#include "domu/kernel_netfront.hpp"
#include "domu/library/link.hpp"
#include "domu/vif/handshake.hpp"
#include "domu/vif/own_domain.hpp"

namespace hush {

class DirectVif final : private domu::Handshake::Owner {
 public:
  struct Options {
    std::uint32_t device = 0;  // number of the vif: device/vif/N
    // Bytes of each ring at first: a power of two from 4 KiB to 32 MiB. 0: as the back end advises, or else 1
    // MiB. It bounds the longest frame: half of the ring. Later the back end may advise other rings, and the
    // vif moves there with all that is on its way; frames never get shorter by it.
    std::uint32_t ring = 0;
    // Checksums and segmentation may be left to this end: frames may come with either still to do, as
    // area::Record says, up to 64 KiB. It takes an area, with rings of 256 KiB. False: frames come complete.
    bool offloads = false;
    // Never by netif's rings.
    bool area_only = false;
    // What an admin is to know of connections, a line each. Within open(), step(), wait() and close().
    std::function<void(std::string_view)> log = {};
    // What keeps the event channels of a guest that was restored: where tools/install has hush-frontd.
    std::string keeper = "/usr/local/sbin/hush-frontd";
  };
  enum class State : std::uint8_t {
    waiting,  // for the device, the back end, or a next try; reason() says for what
    up,       // link() is not null
    barred,   // refused or cut off, reason() says why; until the device is made anew
    closed,
  };

  // Does not wait for the device or its back end: they may come later. Errors: what of Xen is not there, the
  // kernel's driver has the device, options out of their range.
  static Result<std::unique_ptr<DirectVif>> open(Options options);
  // Without close() the pages are taken back as if the program had ended: the back end finds the front end
  // dead, and the toolstack or the next open() of the device sorts it out.
  ~DirectVif();

  // Everything but frames: connects, disconnects, takes events, watches the other end, ends a sleep. Calls
  // xenstored where there is something to say, and waits for its answers then. After it places that were not
  // committed are gone; links and frames of before are where connects() has changed or link() is null. After
  // a restore it starts the keeper, and waits until that keeps: some milliseconds.
  void step();
  // The connection; null: none. The application's until the next step(), wait() or close().
  [[nodiscard]] Link* link() { return up_ ? &*up_ : nullptr; }

  // Readable when step() has something to do, and after may_wait() when there is something to send or
  // receive. For poll, epoll and their kind; never read it. The same for as long as this lives.
  [[nodiscard]] int fd() const { return epoll_.get(); }
  // Before waiting on fd(): publishes and releases what is due, and asks for an event. False: there is work
  // already. True: wait on fd(), then step(). Bursts before that step() are allowed and may cost events.
  [[nodiscard]] bool may_wait(const Wanted& wanted = {});
  // may_wait(), the waiting, and of step() what is due, for fewer system calls than with fd(). timeout: at
  // most so long; negative: no limit. It may return early. A signal ends it.
  void wait(std::chrono::nanoseconds timeout, const Wanted& wanted = {});

  // Takes leave of the back end in order, waiting for it at most so long. True: it has answered. After this
  // there is no link any more; nothing but the destructor is of use.
  bool close(std::chrono::milliseconds patience);

  [[nodiscard]] State state() const;
  [[nodiscard]] const std::string& reason() const;
  [[nodiscard]] std::uint64_t connects() const { return connects_; }  // times that a link came up
  // Of all connections; out is what was sent. Of polls, what this end knows: sleeps and needless events.
  [[nodiscard]] const relay::EndCounters& counters() const { return counters_; }

 private:
  using Clock = std::chrono::steady_clock;
  DirectVif(Options options, xen::GrantShare shares, xen::EventChannels channels);
  Result<void> begin();
  [[nodiscard]] Result<void> listen_to(int fd);
  bool notice_restore();
  void set_channels_aside();
  [[nodiscard]] bool may_use_netif() const { return !options_.area_only && !options_.offloads; }
  Result<void> offer_area(const xenstore::FrontendSettings& settings);
  Result<void> serve_area(const xenstore::FrontendSettings& settings);
  Result<void> serve_netif(const xenstore::FrontendSettings& settings);
  [[nodiscard]] area::Sizes first_sizes(const std::string& backend) const;
  Result<void> keep_kernel_away() override { return domu::KernelNetfront(options_.device).must_not_drive(); }
  Result<void> connect(const xenstore::FrontendSettings& settings) override;
  Result<void> serve(const xenstore::FrontendSettings& settings) override;
  void disconnect() override;
  void forgiven() override;
  void say(domu::Handshake::Weight weight, const std::string& text) override;
  void run_loop();
  void take_event();
  void judge_link();
  [[nodiscard]] bool arm(const Wanted& wanted);
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  void set_timer();

  Options options_;
  boost::asio::io_context loop_{1};
  xen::GrantShare shares_;
  xen::EventChannels channels_;
  std::unique_ptr<xenstore::Client> store_;
  std::optional<domu::OwnDomain> self_;  // since begin()
  UniqueFd timer_, epoll_;
  std::optional<Clock::time_point> timer_set_to_;
  relay::EndCounters counters_;
  area::Sleeps sleeps_;               // of the connections before
  std::optional<NetifRings> rings_;   // of the connection, also while it is agreed upon
  std::unique_ptr<AreaLink> area_;    // offered, and then in use
  std::unique_ptr<NetifLink> netif_;  // in use
  std::optional<Link> up_;            // the one that is in use
  bool backend_sg_ = false;
  std::string refused_;  // by the back end, and not said in the store yet
  std::string barred_for_;
  std::string trouble_;  // of the last try to connect
  std::uint64_t connects_ = 0;
  bool looked_again_ = false;  // the last arm() found something: an event may be on its way all the same
  bool closed_ = false;
  bool answered_ = false;                       // the back end, after close()
  std::unique_ptr<domu::Handshake> handshake_;  // last: it ends first
};

}  // namespace hush
