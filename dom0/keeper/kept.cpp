#include "dom0/keeper/kept.hpp"

#include <algorithm>
#include <charconv>

namespace hush::keeper {
namespace {

// As systemd takes it (sd_pid_notify_with_fds(3)): it is one of several words with ':' between.
bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 255;
  return !text.empty() && text.size() <= kLongest &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

}  // namespace

Wish parse(std::string_view text) {
  Wish wish;
  wish.name = "stored";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t split = std::min(line.find('='), line.size());
    const std::string_view key = line.substr(0, split);
    const std::string_view value = line.substr(std::min(split + 1, line.size()));
    if (key == "FDSTORE") wish.store = value == "1";
    if (key == "FDSTOREREMOVE") wish.remove = value == "1";
    if (key == "FDNAME" && is_name(value)) wish.name = value;
    if (key == "MAINPID") {
      const auto [stop, failed] =
          std::from_chars(value.data(), value.data() + value.size(), wish.main_process);
      if (failed != std::errc() || stop != value.data() + value.size() || wish.main_process < 2)
        wish.main_process = 0;
    }
  }
  return wish;
}

Result<void> Kept::act(const Wish& wish, std::vector<UniqueFd> fds) {
  if (wish.remove) std::erase_if(all_, [&](const auto& one) { return one.first == wish.name; });
  if (!wish.store || wish.remove) return {};
  for (UniqueFd& fd : fds) {
    if (all_.size() == kMost)
      return error(
          "no room for one more descriptor (" + wish.name + "): " + std::to_string(kMost) + " are kept",
          ENOSPC);
    all_.emplace_back(wish.name, std::move(fd));
  }
  return {};
}

}  // namespace hush::keeper
