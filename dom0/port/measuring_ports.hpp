// Ports that measure the area path, with no interface behind them. Payloads are honest: a sink reads each
// byte, a source writes each byte, an echo does both.
#pragma once
#include <memory>

#include "common/relay/port.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::dom0 {

// Takes every frame, and adds its bytes up.
class SinkPort final : public relay::Port {
 public:
  void turn(relay::Exchange& exchange) override;

 private:
  std::uint64_t sum_ = 0;
};

// Sends frames of one length as long as there is room, numbered from 0 on: each 8 bytes of a frame are its
// number, and what is left at the end the number's lowest bytes. A new connection begins anew. What the guest sends is read as by a sink.
class SourcePort final : public relay::Port {
 public:
  // length: at least 14; where the ring's longest frame is shorter, that counts.
  explicit SourcePort(std::uint32_t length) : length_(length) {}
  void turn(relay::Exchange& exchange) override;
  [[nodiscard]] std::uint32_t lacks_room() const override { return lacks_room_; }

 private:
  SinkPort sink_;
  std::uint32_t length_;
  std::uint32_t lacks_room_ = 0;
  std::uint64_t sequence_ = 0;
};

// Sends each frame back, in order; one for which there is no room waits in the guest's ring.
class EchoPort final : public relay::Port {
 public:
  void turn(relay::Exchange& exchange) override;
  [[nodiscard]] std::uint32_t lacks_room() const override { return lacks_room_; }
  [[nodiscard]] bool holds_back() const override { return lacks_room_ != 0; }

 private:
  std::uint32_t lacks_room_ = 0;
};

// Null for a TAP, which needs its interface, and for a wire, which needs another vif. frame: bytes of a
// source's frames.
[[nodiscard]] std::unique_ptr<relay::Port> make_measuring_port(xenstore::PortKind kind, std::uint32_t frame);

}  // namespace hush::dom0
