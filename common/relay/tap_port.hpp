// A TAP behind an area. Frames go from the ring to the TAP and from the TAP into the ring without a copy of
// ours: the kernel's is the only one.
//
// Nothing is decided here by bytes that the peer may still change: the offload header is made of the record,
// which was copied and checked, and the kernel judges it against its own copy of the frame.
#pragma once
#include <sys/types.h>

#include <vector>

#include "common/net/vnet_header.hpp"
#include "common/relay/port.hpp"

namespace hush::relay {

class TapPort final : public Port {
 public:
  // tap: non-blocking, of the owner; outlives this.
  explicit TapPort(int tap);

  void turn(Exchange& exchange) override;
  [[nodiscard]] std::uint32_t lacks_room() const override { return lacks_room_; }
  [[nodiscard]] int fd() const override { return tap_; }
  [[nodiscard]] std::string_view fault() const override { return fault_; }
  void capture_to(net::Capture* capture) override { capture_ = capture; }

 private:
  enum class Read : std::uint8_t { frame, dropped, nothing };
  void take(Exchange& exchange);
  void give(Exchange& exchange);
  void drop_all(Tally& tally);
  [[nodiscard]] bool nothing(ssize_t got);  // of a read of the TAP; fault() says where it is gone
  [[nodiscard]] Read read_frame(area::SharedProducer& out, Tally& tally);
  [[nodiscard]] bool give_held(area::SharedProducer& out, Tally& tally);

  int tap_;
  net::VnetHeader header_{};  // of the frame that was read last
  // Where the part of a frame lies that had no room in one piece; the whole of one that is held.
  std::vector<std::byte> spill_;
  std::uint32_t held_ = 0;      // bytes of the frame that waits in spill_; 0: none
  std::uint32_t expected_ = 0;  // bytes of the next frame: those of the last one
  std::uint32_t lacks_room_ = 0;
  net::Capture* capture_ = nullptr;
  std::string_view fault_;
};

// A record's offload fields as a TAP takes them, and back. Pure; the numbers are the same (virtio_net_hdr).
[[nodiscard]] net::VnetHeader header_of(const area::Record& record);
[[nodiscard]] area::Record record_of(const net::VnetHeader& header, std::uint32_t length);

}  // namespace hush::relay
