// A wire: joins two vifs of this daemon without an interface, a bridge or the kernel between them. This is
// the hop inside Dom0: frames go from the data thread of one vif to that of the other.
//
// Each way is a byte ring in the daemon's own memory with the words of an area (common/area/wake.hpp): the
// thread of the sending guest copies a frame into it, that of the receiving guest copies it out, and a thread
// is woken only if it has published a sleep. A frame that lacks room in the hop stays in its guest's ring;
// one for a wire whose other end is not there is dropped, counted (area_unplugged).
#pragma once
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include "common/relay/counters.hpp"
#include "common/relay/port.hpp"
#include "common/result.hpp"

namespace hush::dom0 {

class Wire {
 public:
  // Takes a free end: 0 or 1; none: both are taken. Control thread.
  [[nodiscard]] std::optional<std::size_t> take_end();

 private:
  friend class WirePort;
  // What one of its two ends works with. Its data thread alone touches what the rings have for it.
  struct End {
    // Has the thread of this end look. Any thread; nothing where nobody is attached.
    void wake();
    // Who is woken; null: nobody any more. Returns when no call of the former is on its way.
    void attach(std::function<void()> wake);

    std::atomic<bool> taken = false;  // a vif has it

   private:
    std::mutex mutex_;  // of wake_: taken only by who wakes a sleeper, and to come and go
    std::function<void()> wake_;
  };
  static constexpr std::uint32_t kRing = 512 * 1024;
  // One way: from the end of the same number to the other. Both ends outlive the vifs that use them, so that
  // a vif that connects again finds the indexes where they stand.
  struct Hop {
    Hop();
    struct Free {
      void operator()(std::byte* p) const { operator delete[](p, std::align_val_t{128}); }
    };
    std::unique_ptr<std::byte[], Free> memory;
    alignas(128) std::array<std::byte, sizeof(area::SharedWords)> word_bytes{};
    area::SharedProducer producer;
    area::SharedConsumer consumer;
  };
  std::array<End, 2> ends_;
  std::array<Hop, 2> hops_;
};

class WirePort final : public relay::Port {
 public:
  // side: from take_end(); free again after this. counters: of the queue, outlive this.
  WirePort(std::shared_ptr<Wire> wire, std::size_t side, relay::EndCounters& counters);
  ~WirePort() override;

  void turn(relay::Exchange& exchange) override;
  [[nodiscard]] std::uint32_t lacks_room() const override { return lacks_room_; }
  [[nodiscard]] bool holds_back() const override { return held_ != 0; }
  void attach(std::function<void()> wake) override;
  [[nodiscard]] bool rest() override;
  void awake() override;
  void capture_to(net::Capture* capture) override { capture_ = capture; }

 private:
  void take(relay::Exchange& exchange);
  void give(relay::Exchange& exchange);
  void drop_what_came(relay::Tally& tally);
  void settle();

  std::shared_ptr<Wire> wire_;
  Wire::End& own_;
  Wire::End& other_;
  area::SharedProducer& to_other_;
  area::SharedConsumer& from_other_;
  relay::EndCounters& counters_;
  net::Capture* capture_ = nullptr;
  std::uint32_t held_ = 0;        // bytes of the guest's frame that lacks room in the hop
  std::uint32_t lacks_room_ = 0;  // of the other's frame that lacks room in the guest's ring
};

// The wires of a daemon, by their numbers. Control thread only.
class Wires {
 public:
  // A free end of the wire of this number; the error says that it has none.
  Result<std::unique_ptr<relay::Port>> join(std::uint32_t number, relay::EndCounters& counters);

 private:
  std::map<std::uint32_t, std::weak_ptr<Wire>> wires_;
};

}  // namespace hush::dom0
