#include "tools/simxen/server/domain.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <random>

namespace hush::simxen {

EventFd make_event() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? nullptr : std::make_shared<UniqueFd>(fd);
}

void raise(const EventFd& event) {
  const uint64_t one = 1;
  // A counter that is full says "pending" already.
  if (event) [[maybe_unused]]
    const ssize_t written = ::write(event->get(), &one, sizeof one);
}

std::shared_ptr<Domain> Domain::create(uint32_t domid, uint32_t incarnation, std::string name) {
  std::shared_ptr<Domain> domain(new Domain(domid, incarnation, std::move(name)));
  return domain->allocate() ? domain : nullptr;
}

Domain::Domain(uint32_t domid, uint32_t incarnation, std::string name)
    : domid_(domid), incarnation_(incarnation), name_(std::move(name)), grants_(kGrants) {
  std::random_device random;
  for (uint8_t& byte : uuid_) byte = static_cast<uint8_t>(random());
  uuid_[6] = static_cast<uint8_t>((uuid_[6] & 0x0f) | 0x40);  // a random UUID, RFC 4122 version 4
  uuid_[8] = static_cast<uint8_t>((uuid_[8] & 0x3f) | 0x80);
  free_grefs_.reserve(kGrants);
  for (uint32_t gref = kGrants; gref-- > kFirstGref;) free_grefs_.push_back(gref);
}

Domain::~Domain() {
  if (window_ != nullptr) ::munmap(window_, kDomainBytes);
  if (table_ != nullptr) ::munmap(table_, sizeof(GrantTable));
}

bool Domain::allocate() {
  const std::string label = "simxen-dom" + std::to_string(domid_);
  memory_.reset(::memfd_create(label.c_str(), MFD_CLOEXEC));
  table_fd_.reset(::memfd_create((label + "-grants").c_str(), MFD_CLOEXEC));
  if (!memory_ || !table_fd_ || ::ftruncate(memory_.get(), kDomainBytes) != 0 ||
      ::ftruncate(table_fd_.get(), sizeof(GrantTable)) != 0)
    return false;
  memory_readonly_.reset(
      ::open(("/proc/self/fd/" + std::to_string(memory_.get())).c_str(), O_RDONLY | O_CLOEXEC));
  if (!memory_readonly_) return false;
  void* window =
      ::mmap(nullptr, kDomainBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory_.get(), 0);
  if (window == MAP_FAILED) return false;
  window_ = static_cast<std::byte*>(window);
  void* table = ::mmap(nullptr, sizeof(GrantTable), PROT_READ | PROT_WRITE, MAP_SHARED, table_fd_.get(), 0);
  if (table == MAP_FAILED) return false;
  table_ = static_cast<GrantTable*>(table);
  return true;
}

uint32_t Domain::take_gref() {
  if (free_grefs_.empty()) return kGrants;
  const uint32_t gref = free_grefs_.back();
  free_grefs_.pop_back();
  return gref;
}

void Domain::give_back_gref(uint32_t gref) {
  ::fallocate(memory_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(size_t{gref} * kPageSize), kPageSize);
  grants_[gref] = {};
  free_grefs_.push_back(gref);
}

EventChannel* Domain::open_channel() {
  const uint32_t limit = domid_ == 0 ? kDom0Ports : kGuestPorts;
  uint32_t port = 1;
  for (const auto& [used, channel] : channels_) {
    if (used != port) break;
    ++port;
  }
  if (port >= limit) {
    errno = ENOSPC;
    return nullptr;
  }
  auto channel = std::make_unique<EventChannel>();
  channel->port = port;
  return (channels_[port] = std::move(channel)).get();
}

EventChannel* Domain::channel(uint32_t port) {
  const auto found = channels_.find(port);
  return found == channels_.end() ? nullptr : found->second.get();
}

}  // namespace hush::simxen
