// A TAP device of one or more queues, with offload headers. No library covers this; it is three ioctls.
//
// Non-blocking. The interface exists as long as a descriptor of it is open, or while it is persistent. Frames
// are read and written by the caller with readv/writev on fd(): a VnetHeader, then the frame.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hush::net {

// What the reader of the TAP can take, hence what the kernel may leave undone in frames that it sends.
struct Offloads {
  bool checksum = false;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
  bool tso4 = false;      // needs checksum
  bool tso6 = false;      // needs checksum
  bool operator==(const Offloads&) const = default;
};

class Tap {
 public:
  Tap() = default;
  // Creates the interface. Fails with what to do where /dev/net/tun is missing or the name is taken.
  static Result<Tap> create(const std::string& name);
  // Goes on with one that create() made in a process before this one: fds are all its queues, the first one
  // first if it matters to the caller. Takes them, also where it fails: they are of no interface, of several,
  // or of one that create() did not make.
  static Result<Tap> adopt(std::vector<UniqueFd> fds);
  // Goes on with one that create() made in a process before this one, and that is persistent. Fails where it
  // is none such. That nobody else has it the caller knows.
  static Result<Tap> take_up(const std::string& name);
  Tap(Tap&& other) noexcept { *this = std::move(other); }
  Tap& operator=(Tap&& other) noexcept;
  ~Tap() { close(); }

  void close();
  [[nodiscard]] bool is_open() const { return !fds_.empty(); }
  // Of a queue, 0 to queues() - 1. The kernel spreads what it sends over them by flow.
  [[nodiscard]] int fd(std::size_t queue = 0) const { return fds_[queue]; }
  [[nodiscard]] std::size_t queues() const { return fds_.size(); }
  // Opens or closes queues behind the first, which stays.
  Result<void> set_queues(std::size_t count);
  // Does not change when a script renames the interface (vifname=).
  [[nodiscard]] unsigned index() const { return index_; }

  Result<void> set_offloads(Offloads offloads);
  Result<void> set_carrier(bool up);
  // Whether the interface, with all that it was given, outlives a process that does not end in order.
  Result<void> set_persistent(bool on);

 private:
  Result<void> attach(const std::string& name, bool exclusive);

  std::vector<int> fds_;
  unsigned index_ = 0;
};

}  // namespace hush::net
