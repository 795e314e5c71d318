#include "xenstore/vif_facts.hpp"

#include "xenstore/keys.hpp"
#include "xenstore/vif_settings.hpp"

namespace hush::xenstore {

VifFacts read_vif_facts(const View& view, VifId id) {
  const auto read = [&](const std::string& path) {
    auto text = view.read(path);
    return text && *text ? **text : std::string();
  };
  const std::string directory = backend_path(id) + "/";
  VifFacts facts;
  facts.backend_id = read(key::kDomid);
  facts.backend_path = std::string(key::kLocalDomain) + "/" + facts.backend_id + "/" + backend_path(id);
  if (auto name = read_domain_name(view, id.domid)) facts.domain_name = *name;
  facts.mac = read(directory + key::kMac);
  facts.script = read(directory + key::kScript);
  facts.bridge = read(directory + key::kBridge);
  facts.hotplug_status = read(directory + key::kHotplugStatus);
  facts.frontend = read(directory + key::kFrontend);
  if (auto state = read_state(view, facts.frontend); state && !facts.frontend.empty())
    facts.frontend_state = *state;
  return facts;
}

}  // namespace hush::xenstore
