// Which domain this guest is. A guest that is restored is another one, with another number, and the event
// channels that it had are dead (common/xen/dead_channels.hpp): whoever has some looks before they are
// unbound, and before there are new ones, which would be taken for dead later.
#pragma once
#include <string>

#include "xenstore/vif_config.hpp"

namespace hush::domu {

class OwnDomain {
 public:
  static Result<OwnDomain> read(const xenstore::View& view);

  // What an admin is to know, where the guest was restored since the last look; empty: it was not. A store
  // that cannot be read tells nothing.
  [[nodiscard]] std::string restored(const xenstore::View& view);
  // And where the channels of before found no keeper.
  [[nodiscard]] static std::string not_kept(const Error& why);

 private:
  explicit OwnDomain(DomId number) : number_(number) {}
  DomId number_;
};

}  // namespace hush::domu
