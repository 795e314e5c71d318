// What a report says of a vif and only the store knows. Read when somebody asks; nothing is decided by it.
#pragma once
#include <string>

#include "xenstore/vif_config.hpp"

namespace hush::xenstore {

// Empty where the store does not say it, or cannot be read.
struct VifFacts {
  std::string backend_id;      // the own domain
  std::string backend_path;    // absolute
  std::string domain_name;     // of the guest
  std::string mac;             // of its interface
  std::string script;          // that plugs it in: a path
  std::string bridge;          // that the vif is to be plugged into
  std::string hotplug_status;  // of the toolstack's script
  std::string frontend;        // path of the frontend directory
  XenbusState frontend_state = XenbusState::unknown;
};
[[nodiscard]] VifFacts read_vif_facts(const View& view, VifId id);

}  // namespace hush::xenstore
