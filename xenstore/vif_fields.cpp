#include "xenstore/vif_fields.hpp"

#include "xenstore/keys.hpp"
#include "xenstore/number.hpp"

namespace hush::xenstore {
namespace {

struct Flag {
  const char* key;
  bool Features::*member;
};
constexpr Flag kCommonFlags[] = {{key::kFeatureSg, &Features::sg},
                                 {key::kFeatureGsoTcpV4, &Features::gso_tcpv4},
                                 {key::kFeatureGsoTcpV6, &Features::gso_tcpv6},
                                 {key::kFeatureIpv6Csum, &Features::ipv6_csum}};

}  // namespace

std::string excerpt(std::string_view text, std::size_t most) {
  std::string shown{text.substr(0, most)};
  for (char& c : shown)
    if (c < ' ' || c > '~') c = '?';
  return shown;
}

std::string at(const std::string& directory, const char* key) {
  return directory + "/" + key;
}

Result<bool> read_flag(const View& view, const std::string& directory, const char* key) {
  auto text = view.read(at(directory, key));
  if (!text) return text.error();
  return *text == "1";
}

Result<std::uint32_t> read_required(const View& view, const std::string& directory, const char* key,
                                    std::uint32_t low, std::uint32_t high) {
  const std::string path = at(directory, key);
  auto text = view.read(path);
  if (!text) return text.error();
  if (!*text) return error(path + " is missing", ENOENT);
  const auto value = parse_number<std::uint32_t>(**text, low, high);
  if (!value)
    return error(path + " is '" + excerpt(**text) + "', not a number from " + std::to_string(low) + " to " +
                     std::to_string(high),
                 EINVAL);
  return *value;
}

Result<Features> read_features(const View& view, const std::string& directory) {
  Features features;
  for (const Flag& flag : kCommonFlags) {
    auto on = read_flag(view, directory, flag.key);
    if (!on) return on.error();
    features.*flag.member = *on;
  }
  auto no_csum = read_flag(view, directory, key::kFeatureNoCsum);
  auto rx_notify = read_flag(view, directory, key::kFeatureRxNotify);
  auto split = read_flag(view, directory, key::kFeatureSplitEventChannels);
  for (const auto* flag : {&no_csum, &rx_notify, &split})
    if (!*flag) return flag->error();
  features.ipv4_csum = !*no_csum;
  features.rx_notify = *rx_notify;
  features.split_event_channels = *split;
  // Segmentation needs scatter-gather: a segment is larger than a slot.
  if (!features.sg) features.gso_tcpv4 = features.gso_tcpv6 = false;
  return features;
}

Result<void> write_common_features(const View& view, const std::string& directory, const Features& features) {
  for (const Flag& flag : kCommonFlags)
    if (auto done = view.write(at(directory, flag.key), features.*flag.member ? "1" : "0"); !done)
      return done;
  if (!features.ipv4_csum) return view.write(at(directory, key::kFeatureNoCsum), "1");
  return view.remove(at(directory, key::kFeatureNoCsum));
}

std::string queue_directory(const std::string& frontend, std::uint32_t queue, std::size_t queues) {
  return queues == 1 ? frontend : frontend + "/" + key::kQueuePrefix + std::to_string(queue);
}

}  // namespace hush::xenstore
