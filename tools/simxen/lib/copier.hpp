// Marks the time in which this thread may be touching granted pages (see Machine::copiers).
#pragma once

#include "tools/simxen/lib/connection.hpp"

namespace hush::simxen {

class CopyGuard {
 public:
  explicit CopyGuard(Connection& connection);
  ~CopyGuard();
  CopyGuard(const CopyGuard&) = delete;
  CopyGuard& operator=(const CopyGuard&) = delete;

 private:
  Copier* copier_;
};

}  // namespace hush::simxen
