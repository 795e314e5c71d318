// Numbers as text in xenstore. Peers write anything there: parsing is strict and has limits.
#pragma once
#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

namespace hush::xenstore {

// A decimal number and nothing else, within [low, high].
template <std::unsigned_integral T>
[[nodiscard]] std::optional<T> parse_number(std::string_view text, T low, T high) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value < low || value > high)
    return std::nullopt;
  return value;
}

}  // namespace hush::xenstore
