// hush-lying-backd DOMID DEVICE LIE: serves one vif honestly until it is connected, tells one lie, says what
// became of it, and then waits to be detached. The front end is to want four queues.
//
// Its line: "cut off REASON" (the front end closed, and its error node says REASON), or "served" (the lie
// harmed nobody: the front end is still connected). tests/hostile/run_frontd knows which is right for each
// lie. `hush-lying-backd --list` prints "LIE EXPECTED".

#include <chrono>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

#include "common/area/ring_pair.hpp"
#include "common/netif/wire.hpp"
#include "common/xen/event_channels.hpp"
#include "common/xen/grant_table.hpp"
#include "dom0/vif/mapped_area.hpp"
#include "xenstore/area_switch.hpp"
#include "xenstore/client.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"
#include "xenstore/vif_config.hpp"

namespace {

using namespace hush;
using xenstore::XenbusState;
namespace key = xenstore::key;
using std::memory_order_seq_cst;
constexpr std::uint32_t kRing = 256 * 1024;  // advised for the first area
constexpr std::chrono::milliseconds kStall{100};
constexpr area::Record kSwitch{.kind = area::Kind::switch_over};

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Of the vif that it serves.
struct Queues {
  std::uint32_t offered = 1;
  std::size_t liar = 0;   // the one that it lies about; the others are never looked at
  const char* said = "";  // in the place of the number that is offered
};

class LyingBack {
 public:
  explicit LyingBack(xenstore::VifId id)
      : id_(id),
        directory_(xenstore::backend_path(id)),
        store_(must(xenstore::Client::open(loop_), "xenstore")),
        channels_(must(xen::EventChannels::open(), "evtchn")),
        grants_(must(xen::GrantTable::open(), "gntdev")),
        events_(loop_, channels_.fd(), [this] {
          while (const auto port = channels_.pending()) channels_.unmask(*port);
        }) {
    events_.on();
    watch(directory_);
  }

  // The handshake, as an honest back end has it; with areas or without.
  void connect(bool areas, const Queues& queues) {
    until([&] { return read(XenbusState::initialising, directory_); });
    frontend_ = must(xenstore::read_backend_settings(store_->view(), id_), "settings").frontend;
    watch(frontend_);
    xenstore::Features features;
    features.sg = features.gso_tcpv4 = features.gso_tcpv6 = features.ipv6_csum =
        features.split_event_channels = true;
    features.hush_area = areas ? area::kVersion : 0;
    must(xenstore::write_backend_offer(store_->view(), id_, features, queues.offered, kStall,
                                       area::Sizes{kRing, kRing}),
         "offer");
    if (*queues.said) say(key::kMultiQueueMaxQueues, queues.said);
    write(XenbusState::init_wait);
    // The toolstack must see InitWait before anything after it.
    until([&] {
      return read(XenbusState::connected, frontend_) &&
             must(xenstore::read_backend_settings(store_->view(), id_), "settings").hotplug_done;
    });
    const auto offer = must(xenstore::read_frontend_offer(store_->view(), frontend_, xenstore::kMaxQueues),
                            "front end's offer");
    queues_ = offer.queues.size();
    const auto queue = offer.queues.at(queues.liar);
    tx_page_ = must(grants_.map(id_.domid, queue.tx_ring), "map");
    rx_page_ = must(grants_.map(id_.domid, queue.rx_ring), "map");
    tx_port_ = must(channels_.bind(id_.domid, queue.tx_port), "bind");
    rx_port_ = must(channels_.bind(id_.domid, queue.rx_port), "bind");
    tx_.emplace(netif::TxBack::attach(tx_sring(), {}));
    rx_.emplace(netif::RxBack::attach(rx_sring(), {}));
    if (!areas) return write(XenbusState::connected);
    if (!queue.area) throw std::runtime_error("the front end offers no area");
    first_ = map(*queue.area);
    rings_.emplace(area::back_side(first_->view()));
    must(xenstore::switch_connected(*store_, id_, {xenstore::kFirstGeneration}), "connected");
  }

  // That the front end has.
  [[nodiscard]] std::size_t queues() const { return queues_; }
  // Whether the front end let go.
  bool cut_off() {
    try {
      until([&] { return !read(XenbusState::connected, frontend_); });
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }
  // Whether it goes on. That nothing happens has no event: it is watched for half a second.
  bool lives() {
    loop_.restart();
    loop_.run_for(std::chrono::milliseconds(500));
    return read(XenbusState::connected, frontend_);
  }
  std::string reason() {
    const std::string node = "/local/domain/" + std::to_string(id_.domid.value) + "/" + key::kError + "/" +
                             xenstore::frontend_path(id_.handle) + "/" + key::kError;
    return must(store_->view().read(node), "error node").value_or("");
  }
  // Follows the front end down, and the toolstack to the end of the device.
  void close() {
    until([&] {
      return !read(XenbusState::connected, directory_) || !read(XenbusState::connected, frontend_);
    });
    tx_page_.reset();
    rx_page_.reset();
    rings_.reset();
    first_.reset();
    next_.reset();
    write(XenbusState::closing);
    until([&] { return read(XenbusState::closed, frontend_) || read(XenbusState::unknown, frontend_); });
    write(XenbusState::closed);
  }

  // The next request of the guest, of which some come by themselves (its kernel looks for IPv6 neighbours).
  netif::TxRequest tx_request() {
    until([&] { return tx_->pending().value_or(1) > 0 || tx_->final_check(); });
    return tx_->take();
  }
  void tx_answer(std::uint16_t id, std::int16_t status = netif::status::kOkay) {
    tx_->put(netif::TxResponse{id, status});
    (void)tx_->publish();
  }
  template <class Message>
  void rx_put(Message message) {
    if (rx_->room() == 0) until([&] { return rx_->pending().value_or(1) > 0 || rx_->final_check(); });
    const auto request = rx_->take();
    if constexpr (std::is_same_v<Message, netif::RxResponse>)
      if (message.id == 0) message.id = request.id;
    rx_->put(message);
  }
  void rx_publish() { (void)rx_->publish(); }
  void notify() {
    channels_.notify(tx_port_);
    channels_.notify(rx_port_);
  }
  // ---- areas
  void say(const char* name, const std::string& text) {
    must(store_->view().write(directory_ + "/" + name, text), name);
  }
  void advise(std::uint32_t number, std::uint32_t ring) {
    say(key::kHushAreaTarget,
        std::to_string(number) + " " + std::to_string(ring) + " " + std::to_string(ring));
  }
  // What the front end offers, once it does.
  xenstore::AreaOffer offer() {
    std::optional<xenstore::AreaOffer> found;
    until([&] {
      found = must(xenstore::read_area_offer(store_->view(), frontend_), "its offer");
      return found.has_value();
    });
    return *found;
  }
  void until_withdrawn() {
    until([&] { return !must(xenstore::read_area_offer(store_->view(), frontend_), "its offer"); });
  }
  void until_declined(std::uint32_t number) {
    until([&] {
      const auto said = must(xenstore::read_area_declined(store_->view(), frontend_), "what it declines");
      return said && said->number == number;
    });
  }
  // Takes up what it offers, and waits for its SWITCH; what comes before is thrown away.
  void take_up() {
    const auto offered = offer();
    next_ = map(offered.address);
    rings_->stage(area::back_side(next_->view()));
    say(key::kHushAreaAnswer, std::to_string(offered.generation) + " mapped");
    until([&] { return drained() && rings_->in.switched(); });
  }
  // Reads what there is.
  bool drained() {
    area::Frame frame;
    while (rings_->in.peek(frame)) {
    }
    if (rings_->in.unreleased()) (void)rings_->in.release();
    if (rings_->fault() != area::Fault::none) throw std::runtime_error("the front end lies");
    return true;
  }
  // Records as they are in guest_rx of the first area, behind what is there.
  void publish(const std::vector<area::Record>& records) {
    const area::View view = first_->view();
    std::uint32_t at = view.page->guest_rx.produced.load(memory_order_seq_cst);
    for (const area::Record& record : records) {
      area::guest_rx_ring(view.rings, view.header).put(at, record);
      at += area::span_of(record.length);
    }
    view.page->guest_rx.produced.store(at, memory_order_seq_cst);
  }
  area::RingPair& rings() { return *rings_; }
  std::optional<dom0::MappedArea> map(const xenstore::AreaAddress& address) {
    return must(dom0::MappedArea::map(grants_, id_.domid, address, 20000, tx_port_,
                                      [](const area::Header&) { return std::nullopt; }),
                "map an area");
  }
  void write(XenbusState state) { must(xenstore::switch_state(*store_, directory_, state), "state"); }
  netif::TxSring& tx_sring() { return shm::layout_at<netif::TxSring>(tx_page_.base()); }
  netif::RxSring& rx_sring() { return shm::layout_at<netif::RxSring>(rx_page_.base()); }

 private:
  bool read(XenbusState state, const std::string& directory) {
    return must(xenstore::read_state(store_->view(), directory), "read a state") == state;
  }
  // Looks again after each event of the store or of a channel.
  template <class Condition>
  void until(Condition condition) {
    while (!condition()) {
      loop_.restart();
      if (loop_.run_one_for(std::chrono::minutes(1)) == 0)
        throw std::runtime_error("waited for a minute in vain");
    }
  }
  void watch(const std::string& path) {
    must(store_->watch(path, [](const std::string&) {}), "watch");
  }

  xenstore::VifId id_;
  std::string directory_;
  std::string frontend_;
  std::size_t queues_ = 0;
  boost::asio::io_context loop_{1};
  std::unique_ptr<xenstore::Client> store_;
  xen::EventChannels channels_;
  xen::GrantTable grants_;
  event::FdWatcher events_;
  xen::MappedPages tx_page_, rx_page_;
  EvtchnPort tx_port_{}, rx_port_{};
  std::optional<netif::TxBack> tx_;
  std::optional<netif::RxBack> rx_;
  std::optional<dom0::MappedArea> first_, next_;
  std::optional<area::RingPair> rings_;
};

struct Lie {
  const char* reason;  // of the front end for cutting the vif off; "" where it is to be served
  std::function<void(LyingBack&)> tell;
  bool areas = false;
  Queues queues = {};
};
// Says this of its queues; the front end, which wants kWanted, is to have so many.
constexpr std::size_t kWanted = 4;
Lie offers_queues(const char* said, std::size_t made) {
  return {"",
          [=](LyingBack& b) {
            if (b.queues() != made)
              throw std::runtime_error(std::to_string(b.queues()) + " queues for '" + said + "'");
          },
          false,
          {.said = said}};
}
// The same lie, told on one of four queues.
Lie on_queue(std::size_t number, const char* reason, Lie lie) {
  lie.reason = reason;
  lie.queues = {.offered = kWanted, .liar = number};
  return lie;
}
Lie of_areas(const char* reason, std::function<void(LyingBack&)> tell) {
  return {reason, std::move(tell), true};
}
// Follows with these records.
Lie followed_by(const char* reason, std::vector<area::Record> records) {
  return of_areas(reason, [=](LyingBack& b) {
    b.advise(1, 2 * kRing);
    b.take_up();
    b.publish(records);
  });
}
// As an honest back end, to the end of the switch.
void follow(LyingBack& b) {
  b.advise(1, 2 * kRing);
  b.take_up();
  (void)b.rings().cross();
  b.notify();
  b.until_withdrawn();
}
// Says this of the next area, for which nothing is offered; what makes sense after it is followed.
Lie advised(std::string text) {
  return of_areas("", [=](LyingBack& b) {
    b.say(key::kHushAreaTarget, text);
    if (!b.lives()) return;
    b.advise(7, 2 * kRing);
    if (b.offer().generation != 2) throw std::runtime_error("an area was offered for '" + text + "'");
  });
}
// Advises these rings, which make no sense.
Lie declined(std::uint32_t ring) {
  return of_areas("", [=](LyingBack& b) {
    b.advise(1, ring);
    b.until_declined(1);
  });
}
// Answers this to an offer, which is withdrawn then.
Lie answered(std::string text) {
  return of_areas("", [=](LyingBack& b) {
    b.advise(1, 2 * kRing);
    (void)b.offer();
    b.say(key::kHushAreaAnswer, text);
    b.until_withdrawn();
  });
}

// Answers to the guest's receive requests; id 0 stands for the request's own (the first, 0, is right as it
// is).
std::function<void(LyingBack&)> received(std::vector<netif::RxResponse> responses) {
  return [=](LyingBack& back) {
    for (const auto& r : responses) back.rx_put(r);
    back.rx_publish();
  };
}
std::function<void(LyingBack&)> with_extra(netif::ExtraInfo extra, netif::GsoBody gso = {}) {
  std::memcpy(extra.body, &gso, sizeof gso);
  return [=](LyingBack& back) {
    back.rx_put(netif::RxResponse{0, 0, netif::rx_flag::kExtraInfo, 100});
    back.rx_put(extra);
    back.rx_publish();
  };
}

const std::map<std::string, Lie>& lies() {
  constexpr auto kMore = netif::rx_flag::kMoreData, kExtra = netif::rx_flag::kExtraInfo;
  static const std::map<std::string, Lie> kLies{
      {"tx-index-ahead",
       {"tx_index_impossible",
        [](auto& b) {
          (void)b.tx_request();
          b.tx_sring().rsp_prod.store(200, memory_order_seq_cst);
        }}},
      {"tx-index-backwards",
       {"tx_index_impossible",
        [](auto& b) { b.tx_sring().rsp_prod.store(UINT32_MAX, memory_order_seq_cst); }}},
      {"tx-id-beyond",
       {"tx_id_out_of_range",
        [](auto& b) {
          (void)b.tx_request();
          b.tx_answer(256);
        }}},
      {"tx-id-not-out",
       {"tx_id_not_outstanding",
        [](auto& b) {
          (void)b.tx_request();
          b.tx_answer(255);
        }}},
      {"tx-id-twice",
       {"tx_id_not_outstanding",
        [](auto& b) {
          const auto id = b.tx_request().id;
          (void)b.tx_request();
          b.tx_answer(id);
          b.tx_answer(id);
        }}},
      {"tx-null", {"tx_null_unasked", [](auto& b) { b.tx_answer(b.tx_request().id, netif::status::kNull); }}},
      {"tx-refused", {"", [](auto& b) { b.tx_answer(b.tx_request().id, netif::status::kError); }}},
      {"rx-index-ahead",
       {"rx_index_impossible", [](auto& b) { b.rx_sring().rsp_prod.store(257, memory_order_seq_cst); }}},
      {"rx-index-backwards",
       {"rx_index_impossible",
        [](auto& b) { b.rx_sring().rsp_prod.store(UINT32_MAX, memory_order_seq_cst); }}},
      {"rx-id", {"rx_id_mismatch", received({{9, 0, 0, 100}})}},
      {"rx-length", {"rx_beyond_page", received({{0, 0, 0, 4097}})}},
      {"rx-offset", {"rx_beyond_page", received({{0, 65535, 0, 60}})}},
      {"rx-chain-open", {"rx_chain_unfinished", received({{0, 0, kMore, 100}})}},
      {"rx-chain-long",
       {"rx_slots_excessive", received(std::vector(40, netif::RxResponse{0, 0, kMore, 100}))}},
      {"rx-extra-missing", {"rx_chain_unfinished", received({{0, 0, kExtra, 100}})}},
      {"rx-extra-type", {"rx_extra_type_unknown", with_extra({77, 0, {}})}},
      {"rx-gso-size", {"rx_gso_size_zero", with_extra({netif::extra::kGso, 0, {}}, {0, 1, 0, 0})}},
      {"rx-gso-type", {"rx_gso_type_unknown", with_extra({netif::extra::kGso, 0, {}}, {1448, 9, 0, 0})}},
      {"rx-gso-not-tcp", {"", with_extra({netif::extra::kGso, 0, {}}, {1448, 1, 0, 0})}},
      {"rx-csum-not-ip", {"", received({{0, 0, netif::rx_flag::kCsumBlank, 100}})}},
      {"rx-empty", {"", received({{0, 0, 0, 0}, {0, 0, kMore, 0}, {0, 0, 0, 0}})}},
      {"rx-errors", {"", received(std::vector(200, netif::RxResponse{0, 0, 0, -1}))}},
      {"queues-0", offers_queues("0", 1)},
      {"queues-word", offers_queues("many", 1)},
      {"queues-negative", offers_queues("-4", 1)},
      {"queues-beyond", offers_queues("4294967296", 1)},
      {"queues-huge", offers_queues("4294967295", kWanted)},
      {"queues-one-lies-rx", on_queue(2, "queue 2: rx_id_mismatch", {"", received({{9, 0, 0, 100}})})},
      {"queues-one-lies-tx",
       on_queue(3, "queue 3: tx_index_impossible", {"", [](auto& b) {
                  b.tx_sring().rsp_prod.store(UINT32_MAX, memory_order_seq_cst);
                }})},
      {"queues-one-lies-area",
       on_queue(1, "queue 1: a switch to no generation",
                of_areas("", [](LyingBack& b) { b.publish({kSwitch}); }))},
      {"event-storm",
       {"",
        [](auto& b) {
          for (int i = 0; i < 50000; ++i) b.notify();
        }}},
      {"state-storm",
       {"",
        [](auto& b) {
          for (int i = 0; i < 5000; ++i) b.write(XenbusState::connected);
        }}},
      {"area-target-words", advised("one two three")},
      {"area-target-two", advised("1 262144")},
      {"area-target-negative", advised("1 -262144 262144")},
      {"area-target-beyond", advised("1 4294967296 262144")},
      {"area-target-0", advised("0 524288 524288")},
      {"area-rings-0", declined(0)},
      {"area-rings-odd", declined(3 * kRing)},
      {"area-rings-beyond", declined(64U << 20)},
      {"area-rings-wild", declined(UINT32_MAX)},
      {"area-rings-below-the-least", declined(kRing / 2)},
      {"area-target-storm", of_areas("",
                                     [](LyingBack& b) {
                                       for (std::uint32_t i = 1; i <= 2000; ++i) b.advise(i, kRing << i % 3);
                                       (void)b.offer();
                                       b.until_withdrawn();
                                     })},
      {"area-answer-unasked", of_areas("", [](LyingBack& b) { b.say(key::kHushAreaAnswer, "2 mapped"); })},
      {"area-answer-to-another", answered("3 mapped")},
      {"area-answer-to-the-first", answered("1 mapped")},
      {"area-answer-garbage", answered("2 perhaps")},
      {"area-answer-empty", answered("")},
      {"area-answer-none", answered("2")},
      {"area-answer-refused", answered("2 refused no room")},
      {"area-answer-refused-why", answered("2 refused ")},
      {"area-switch-unasked",
       of_areas("a switch to no generation", [](LyingBack& b) { b.publish({kSwitch}); })},
      {"area-switch-first", of_areas("a switch to no generation",
                                     [](LyingBack& b) {
                                       b.advise(1, 2 * kRing);
                                       (void)b.offer();
                                       b.publish({kSwitch});
                                     })},
      {"area-switch-in-a-row", followed_by("a record behind a switch", {kSwitch, kSwitch})},
      {"area-switch-frame-behind", followed_by("a record behind a switch", {kSwitch, {.length = 60}})},
      {"area-switch-length",
       followed_by("a switch that has a length", {{.length = 16, .kind = area::Kind::switch_over}})},
      {"area-switch-twice", of_areas("a switch to no generation",
                                     [](LyingBack& b) {
                                       follow(b);
                                       (void)b.rings().out.switch_over();
                                     })},
      {"area-switch-never", of_areas("",
                                     [](LyingBack& b) {
                                       b.advise(1, 2 * kRing);
                                       b.take_up();
                                     })},
      {"area-switch-honest", of_areas("", follow)},
  };
  return kLies;
}

int run(xenstore::VifId id, const Lie& lie) {
  LyingBack back(id);
  back.connect(lie.areas, lie.queues);
  lie.tell(back);
  back.notify();
  const bool expected_cut = *lie.reason != '\0';
  const bool cut = expected_cut ? back.cut_off() : !back.lives();
  std::cout << (cut ? back.reason() : "served") << std::endl;
  back.close();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const auto& [name, lie] : lies())
      std::cout << name << '\t' << (*lie.reason ? std::string("cut off: ") + lie.reason : "served") << '\n';
    return 0;
  }
  const auto domid = argc == 4 ? xenstore::parse_number<std::uint16_t>(argv[1], 0, kDomIdMax) : std::nullopt;
  const auto device =
      argc == 4 ? xenstore::parse_number<std::uint32_t>(argv[2], 0, xenstore::kMaxHandle) : std::nullopt;
  if (!domid || !device || !lies().contains(argv[3])) {
    std::cerr << "usage: hush-lying-backd DOMID DEVICE LIE | hush-lying-backd --list\n";
    return 2;
  }
  try {
    return run({DomId{*domid}, *device}, lies().at(argv[3]));
  } catch (const std::exception& e) {
    std::cerr << "hush-lying-backd: " << e.what() << '\n';
    return 1;
  }
}
