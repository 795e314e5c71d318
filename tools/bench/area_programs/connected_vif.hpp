// A vif by the library for applications, connected: what every program of ours here begins with.
#pragma once
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include "domu/library/direct_vif.hpp"
#include "tools/bench/area_programs/process.hpp"

namespace hush::bench {

// Waits for the back end. Without a link where stopped() ended it; throws where there will be none.
inline std::unique_ptr<DirectVif> connected(DirectVif::Options options) {
  auto opened = DirectVif::open(std::move(options));
  if (!opened) throw std::runtime_error(opened.error().text);
  std::unique_ptr<DirectVif> vif = std::move(*opened);
  while (!stopped() && !vif->link()) {
    if (vif->state() == DirectVif::State::barred) throw std::runtime_error(vif->reason());
    vif->wait(std::chrono::seconds(1));
  }
  return vif;
}

}  // namespace hush::bench
