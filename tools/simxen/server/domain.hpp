// A domain: its memory, its grant table, its event channels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "tools/simxen/server/event_channel.hpp"
#include "tools/simxen/server/grant.hpp"
#include "tools/simxen/wire/grant_table.hpp"

namespace hush::simxen {

class Domain {
 public:
  // Null with errno when memory or descriptors ran out.
  static std::shared_ptr<Domain> create(uint32_t domid, uint32_t incarnation, std::string name);
  ~Domain();
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  uint32_t domid() const { return domid_; }
  uint32_t incarnation() const { return incarnation_; }
  const std::string& name() const { return name_; }
  const std::array<uint8_t, 16>& uuid() const { return uuid_; }

  int memory() const { return memory_.get(); }
  int memory_readonly() const { return memory_readonly_.get(); }
  int table_fd() const { return table_fd_.get(); }
  std::byte* page(uint32_t gref) const { return window_ + size_t{gref} * kPageSize; }
  GrantTable& table() const { return *table_; }

  // A free reference, the one freed last first (as Linux's list), or kGrants when all are in use.
  uint32_t take_gref();
  // The page is forgotten: whoever gets it next finds zeros.
  void give_back_gref(uint32_t gref);
  Grant& grant(uint32_t gref) { return grants_[gref]; }
  const std::vector<Grant>& grants() const { return grants_; }
  uint32_t shared_pages = 0;
  uint32_t grant_limit = kDefaultGrantLimit;

  // A new channel on the lowest free port, or null with errno = ENOSPC or EMFILE.
  EventChannel* open_channel();
  EventChannel* channel(uint32_t port);
  void erase_channel(uint32_t port) { channels_.erase(port); }
  const std::map<uint32_t, std::unique_ptr<EventChannel>>& channels() const { return channels_; }

  bool alive = true;
  bool paused = false;
  bool shut_down = false;
  uint32_t shutdown_reason = 0;

 private:
  Domain(uint32_t domid, uint32_t incarnation, std::string name);
  bool allocate();

  uint32_t domid_;
  uint32_t incarnation_;
  std::string name_;
  std::array<uint8_t, 16> uuid_{};
  UniqueFd memory_;
  UniqueFd memory_readonly_;
  UniqueFd table_fd_;
  std::byte* window_ = nullptr;
  GrantTable* table_ = nullptr;
  std::vector<Grant> grants_;
  std::vector<uint32_t> free_grefs_;
  std::map<uint32_t, std::unique_ptr<EventChannel>> channels_;
};

}  // namespace hush::simxen
