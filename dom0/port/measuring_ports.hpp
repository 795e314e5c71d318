// Ports that measure the area path, with no interface behind them. Payloads are honest: a sink reads each
// byte, a source writes each byte, an echo does both. batch: frames that a turn moves at most each way, and
// so what is released and published at once.
#pragma once
#include <memory>

#include "common/relay/port.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::dom0 {

// Takes every frame, and adds its bytes up: 8 of them are a number, and what is left at the end is one more.
class SinkPort final : public relay::Port {
 public:
  explicit SinkPort(std::uint32_t batch);
  void turn(relay::Exchange& exchange) override;
  [[nodiscard]] std::optional<std::uint64_t> sum() const override { return sum_; }

 private:
  std::uint32_t batch_;
  bool wide_;  // the processor has wide registers
  std::uint64_t sum_ = 0;
};

// Sends frames of one length as long as there is room, numbered from 0 on: each 8 bytes of a frame are its
// number, and what is left at the end the number's lowest bytes. A new connection begins anew. What the guest
// sends is read as by a sink.
class SourcePort final : public relay::Port {
 public:
  // length: at least 14; where the ring's longest frame is shorter, that counts.
  SourcePort(std::uint32_t length, std::uint32_t batch);
  void turn(relay::Exchange& exchange) override;
  [[nodiscard]] std::uint32_t lacks_room() const override { return lacks_room_; }
  [[nodiscard]] std::optional<std::uint64_t> sum() const override { return sink_.sum(); }

 private:
  SinkPort sink_;
  std::uint32_t length_;
  std::uint32_t batch_;
  bool wide_;
  std::uint32_t lacks_room_ = 0;
  std::uint32_t held_turns_ = 0;
  std::uint64_t number_ = 0;
};

// Sends each frame back, in order; one for which there is no room waits in the guest's ring.
class EchoPort final : public relay::Port {
 public:
  explicit EchoPort(std::uint32_t batch) : batch_(batch) {}
  void turn(relay::Exchange& exchange) override;
  [[nodiscard]] std::uint32_t lacks_room() const override { return lacks_room_; }
  [[nodiscard]] bool holds_back() const override { return lacks_room_ != 0; }

 private:
  std::uint32_t batch_;
  std::uint32_t lacks_room_ = 0;
};

// Null for a TAP, which needs its interface, and for a wire, which needs another vif. frame: bytes of a
// source's frames.
[[nodiscard]] std::unique_ptr<relay::Port> make_measuring_port(xenstore::PortKind kind, std::uint32_t frame,
                                                               std::uint32_t batch);

}  // namespace hush::dom0
