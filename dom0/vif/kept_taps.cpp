#include "dom0/vif/kept_taps.hpp"

#include <spdlog/spdlog.h>

#include <charconv>
#include <utility>

#include "common/net/link.hpp"
#include "dom0/vif/queue_name.hpp"

namespace hush::dom0 {
namespace {

struct QueueName {
  std::string vif;
  std::size_t queue;
};
std::optional<QueueName> parse_queue_name(std::string_view name) {
  const std::string_view vif = vif_of_queue(name);
  if (vif.empty()) return std::nullopt;
  const std::string_view digits = name.substr(vif.size() + kQueueMark.size());
  std::size_t queue = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), queue);
  if (failed != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return QueueName{std::string(vif), queue};
}

}  // namespace

Result<void> KeptTaps::add(std::vector<telemetry::ServiceManager::Kept> kept) {
  std::map<std::string, std::map<std::size_t, UniqueFd>> vifs;
  std::string strange;
  for (auto& [name, fd] : kept) {
    const auto parsed = parse_queue_name(name);
    if (parsed)
      vifs[parsed->vif].insert_or_assign(parsed->queue, std::move(fd));
    else
      strange += " '" + name + "'";
  }
  Result<void> all;
  if (!strange.empty()) all = error("kept, and not known what for:" + strange, EINVAL);
  for (auto& [vif, queues] : vifs) {
    std::vector<UniqueFd> fds;
    const std::size_t most = queues.rbegin()->first + 1;
    for (auto& [number, fd] : queues) fds.push_back(std::move(fd));
    noted_[vif] = most;
    if (auto done = add(vif, std::move(fds)); !done) {
      note(vif, 0);
      all =
          error("the kept interface of " + vif + " cannot be used: " + done.error().text, done.error().code);
    }
  }
  return all;
}

Result<void> KeptTaps::add(const std::string& vif, std::vector<UniqueFd> queues) {
  const std::size_t count = queues.size();
  auto tap = net::Tap::adopt(std::move(queues));
  if (!tap) return tap.error();
  noted_.try_emplace(vif, service_ && service_->is_there() ? count : 0);
  put(vif, std::move(*tap));
  return {};
}

std::optional<net::Tap> KeptTaps::take(const std::string& vif) {
  auto found = here_.extract(vif);
  return found ? std::optional(std::move(found.mapped())) : std::nullopt;
}

void KeptTaps::keep(const std::string& vif, const net::Tap& tap) {
  if (!service_ || !service_->is_there()) return;
  for (std::size_t i = noted_[vif]; i < tap.queues(); ++i) {
    auto done = service_->keep(queue_name(vif, i), tap.fd(i));
    if (!done) {
      if (!std::exchange(said_, true))
        spdlog::warn("{}: its interface is not kept for a daemon after this one: {}", vif, done.error().text);
      return;
    }
    noted_[vif] = i + 1;
  }
  note(vif, tap.queues());
}

// Not more than so many.
void KeptTaps::note(const std::string& vif, std::size_t queues) {
  const auto found = noted_.find(vif);
  if (found == noted_.end()) return;
  for (; found->second > queues; --found->second)
    if (service_) (void)service_->let_go(queue_name(vif, found->second - 1));
  if (queues == 0) noted_.erase(found);
}

void KeptTaps::drop(const std::string& vif, net::Tap tap) {
  const unsigned index = tap.is_open() && noted_.contains(vif) ? tap.index() : 0;
  note(vif, 0);
  tap.close();
  // The service manager closes its duplicates in its own time; the toolstack waits for the interface to go.
  if (index != 0) (void)net::remove_link(index);
}

void KeptTaps::keep_only(const std::function<bool(std::string_view vif)>& is_there) {
  for (auto at = here_.begin(); at != here_.end();) {
    const auto here = at++;
    if (is_there(here->first)) continue;
    spdlog::info("{}: went while no daemon ran; so does its interface", here->first);
    drop(here->first, std::move(here->second));
    here_.erase(here);
  }
}

}  // namespace hush::dom0
