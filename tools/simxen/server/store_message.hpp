// Messages of the xenstore wire protocol, cut out of and made for a byte stream.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "tools/simxen/wire/xen_headers.hpp"

namespace hush::simxen {

struct StoreMessage {
  xsd_sockmsg head{};
  std::string body;

  std::string bytes() const {
    xsd_sockmsg out = head;
    out.len = static_cast<uint32_t>(body.size());
    std::string text(reinterpret_cast<const char*>(&out), sizeof out);
    return text + body;
  }

  // The two nul-terminated strings of a watch, an unwatch or a watch event.
  std::optional<std::pair<std::string, std::string>> path_and_token() const {
    const size_t first = body.find('\0');
    if (first == std::string::npos) return std::nullopt;
    const size_t second = body.find('\0', first + 1);
    if (second == std::string::npos) return std::nullopt;
    return std::pair(body.substr(0, first), body.substr(first + 1, second - first - 1));
  }
  static std::string two_strings(const std::string& first, const std::string& second) {
    return first + '\0' + second + '\0';
  }
};

enum class Cut { none, one, bad };

// Takes one whole message off the front of the text.
inline Cut cut_message(std::string& text, StoreMessage& out) {
  if (text.size() < sizeof out.head) return Cut::none;
  __builtin_memcpy(&out.head, text.data(), sizeof out.head);
  if (out.head.len > XENSTORE_PAYLOAD_MAX) return Cut::bad;
  if (text.size() < sizeof out.head + out.head.len) return Cut::none;
  out.body = text.substr(sizeof out.head, out.head.len);
  text.erase(0, sizeof out.head + out.head.len);
  return Cut::one;
}

}  // namespace hush::simxen
