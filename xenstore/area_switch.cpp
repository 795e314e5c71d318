#include "xenstore/area_switch.hpp"

#include <array>
#include <string_view>

#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"
#include "xenstore/vif_fields.hpp"

namespace hush::xenstore {
namespace {

// "1 2 3" and nothing else: nullopt where it is not so many numbers.
template <std::size_t N>
std::optional<std::array<std::uint32_t, N>> numbers(std::string_view text) {
  std::array<std::uint32_t, N> values{};
  for (std::size_t i = 0; i < N; ++i) {
    const std::size_t end = i + 1 == N ? text.size() : text.find(' ');
    if (end == text.npos) return std::nullopt;
    const auto value = parse_number<std::uint32_t>(text.substr(0, end), 0, UINT32_MAX);
    if (!value) return std::nullopt;
    values[i] = *value;
    text.remove_prefix(i + 1 == N ? end : end + 1);
  }
  return values;
}

Error senseless(const std::string& path, const char* form) {
  return error(path + " is not '" + form + "'", EINVAL);
}

constexpr char kMapped[] = "mapped";
constexpr std::size_t kLongestReason = 200;  // of a peer's, for the log

Result<std::optional<AreaReply>> read_reply(const View& view, const std::string& path, const char* form) {
  auto text = view.read(path);
  if (!text) return text.error();
  if (!*text) return std::optional<AreaReply>{};
  const std::size_t space = (*text)->find(' ');
  const auto number = parse_number<std::uint32_t>(
      std::string_view(**text).substr(0, space == std::string::npos ? 0 : space), 1, UINT32_MAX);
  if (!number) return senseless(path, form);
  return std::optional(
      AreaReply{*number, excerpt(std::string_view(**text).substr(space + 1), kLongestReason)});
}

}  // namespace

std::string queue_path(const std::string& directory, std::size_t queue, std::size_t queues) {
  return queue_directory(directory, static_cast<std::uint32_t>(queue), queues);
}

std::string area_offer_path(const std::string& directory) {
  return at(directory, key::kHushAreaOffer);
}
std::string area_declined_path(const std::string& directory) {
  return at(directory, key::kHushAreaDeclined);
}
std::string area_target_path(const std::string& directory) {
  return at(directory, key::kHushAreaTarget);
}
std::string area_reply_path(const std::string& directory) {
  return at(directory, key::kHushAreaAnswer);
}

Result<void> write_area_target(Client& client, VifId vif, const std::string& directory,
                               const AreaTarget& target) {
  return write_if_there(client, backend_path(vif), [&](const View& view) {
    return view.write(area_target_path(directory), std::to_string(target.number) + " " +
                                                       std::to_string(target.rings.guest_tx) + " " +
                                                       std::to_string(target.rings.guest_rx));
  });
}

Result<void> remove_area_target(Client& client, VifId vif, const std::string& directory) {
  return write_if_there(client, backend_path(vif),
                        [&](const View& view) { return view.remove(area_target_path(directory)); });
}

Result<void> write_area_reply(Client& client, VifId vif, const std::string& directory,
                              const AreaReply& reply) {
  return write_if_there(client, backend_path(vif), [&](const View& view) {
    return view.write(area_reply_path(directory),
                      std::to_string(reply.number) + " " +
                          (reply.refused.empty() ? std::string(kMapped) : "refused " + reply.refused));
  });
}

Result<std::optional<AreaOffer>> read_area_offer(const View& view, const std::string& directory) {
  const std::string path = area_offer_path(directory);
  auto text = view.read(path);
  if (!text) return text.error();
  if (!*text) return std::optional<AreaOffer>{};
  const auto values = numbers<3>(**text);
  if (!values || (*values)[0] == 0) return senseless(path, "GENERATION REF PAGES");
  return std::optional(AreaOffer{(*values)[0], {Gref{(*values)[1]}, (*values)[2]}});
}

Result<std::optional<AreaReply>> read_area_declined(const View& view, const std::string& directory) {
  return read_reply(view, area_declined_path(directory), "NUMBER REASON");
}

Result<std::optional<AreaTarget>> read_area_target(const View& view, const std::string& directory) {
  const std::string path = area_target_path(directory);
  auto text = view.read(path);
  if (!text) return text.error();
  if (!*text) return std::optional<AreaTarget>{};
  const auto values = numbers<3>(**text);
  if (!values || (*values)[0] == 0) return senseless(path, "NUMBER GUEST_TX GUEST_RX");
  return std::optional(AreaTarget{(*values)[0], {(*values)[1], (*values)[2]}});
}

std::optional<area::Sizes> read_area_first(const View& view, const std::string& backend) {
  const auto text = view.read(at(backend, key::kHushAreaFirst));
  if (!text || !*text) return std::nullopt;
  const auto values = numbers<2>(**text);
  if (!values) return std::nullopt;
  return area::Sizes{(*values)[0], (*values)[1]};
}

Result<std::optional<AreaReply>> read_area_reply(const View& view, const std::string& directory) {
  constexpr char kForm[] = "GENERATION mapped, or GENERATION refused REASON";
  auto reply = read_reply(view, area_reply_path(directory), kForm);
  if (!reply || !*reply) return reply;
  std::string& text = (*reply)->refused;
  constexpr std::string_view kRefused = "refused ";
  if (text == kMapped)
    text.clear();
  else if (text.starts_with(kRefused) && text.size() > kRefused.size())  // without a reason it would be a yes
    text.erase(0, kRefused.size());
  else
    return senseless(area_reply_path(directory), kForm);
  return reply;
}

}  // namespace hush::xenstore
