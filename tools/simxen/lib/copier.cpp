#include "tools/simxen/lib/copier.hpp"

#include <thread>

namespace hush::simxen {
namespace {

// This thread's place in the machine's list; given back when the thread ends.
struct Place {
  Copier* copier = nullptr;
  uint32_t session = 0;
  ~Place() {
    if (copier != nullptr && session == Connection::instance().session()) copier->session.store(0);
  }
};
thread_local Place place;

Copier* claim(Connection& connection) {
  const uint32_t session = connection.session();
  if (place.copier != nullptr && place.session == session) return place.copier;
  // After a fork the old place belongs to the parent: take another.
  for (;;) {
    for (Copier& copier : connection.machine().copiers) {
      uint32_t nobody = 0;
      if (copier.session.load(std::memory_order_relaxed) != 0) continue;
      if (!copier.session.compare_exchange_strong(nobody, session)) continue;
      place.copier = &copier;
      place.session = session;
      return &copier;
    }
    std::this_thread::yield();
  }
}

}  // namespace

CopyGuard::CopyGuard(Connection& connection) : copier_(claim(connection)) {
  copier_->sequence.fetch_add(1, std::memory_order_seq_cst);
}

CopyGuard::~CopyGuard() {
  copier_->sequence.fetch_add(1, std::memory_order_seq_cst);
}

}  // namespace hush::simxen
