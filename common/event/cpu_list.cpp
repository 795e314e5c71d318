#include "common/event/cpu_list.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

namespace hush::event {
namespace {

constexpr unsigned kMostCpus = CPU_SETSIZE;

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value >= kMostCpus) return std::nullopt;
  return value;
}

}  // namespace

Result<std::vector<unsigned>> parse_cpu_list(std::string_view text, std::span<const unsigned> available) {
  const std::string all(text);
  std::vector<unsigned> cpus;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const std::size_t dash = item.find('-');
    const auto first = number(item.substr(0, dash));
    const auto last = dash == item.npos ? first : number(item.substr(dash + 1));
    if (!first || !last || *last < *first)
      return error("'" + all + "' is no list of processors such as 0-3,5", EINVAL);
    for (unsigned cpu = *first; cpu <= *last; ++cpu) {
      if (std::find(available.begin(), available.end(), cpu) == available.end())
        return error(
            "there is no processor " + std::to_string(cpu) + " to run on; there are " + to_text(available),
            EINVAL);
      if (std::find(cpus.begin(), cpus.end(), cpu) == cpus.end()) cpus.push_back(cpu);
    }
    if (comma == text.npos) return cpus;
    text.remove_prefix(comma + 1);
  }
}

std::vector<unsigned> available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (unsigned cpu = 0; cpu < kMostCpus; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

std::string to_text(std::span<const unsigned> cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[i]);
    if (end - i > 1) text += (end - i > 2 ? "-" : ",") + std::to_string(cpus[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace hush::event
