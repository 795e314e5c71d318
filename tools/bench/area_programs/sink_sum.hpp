// What the sink of a hush-backd has added up, asked at its socket.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/bench/area_programs/process.hpp"

namespace hush::bench {

// vif: by its name, "vif1.0".
inline std::uint64_t sum_of_sink(const std::string& control, const std::string& vif) {
  const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  control.copy(address.sun_path, sizeof address.sun_path - 1);
  const std::string request = nlohmann::json{{"command", "show"}, {"vif", vif}}.dump() + "\n";
  if (::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::write(file, request.data(), request.size()) < 0)
    give_up(control);
  std::string said(1 << 16, '\0');
  std::size_t got = 0;
  while (said.find('\n') == said.npos && got < said.size()) {
    const ssize_t more = ::read(file, said.data() + got, said.size() - got);
    if (more <= 0) give_up(control);
    got += static_cast<std::size_t>(more);
  }
  ::close(file);
  said.resize(said.find('\n'));
  return nlohmann::json::parse(said).at("vif").at("queues").at(0).at("port_sum");
}

}  // namespace hush::bench
