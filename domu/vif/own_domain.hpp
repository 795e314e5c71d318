// Which domain this guest is, and which life of it. A guest that is restored, or has moved to another host,
// is another domain, and the event channels that it had are dead (common/xen/dead_channels.hpp): whoever has
// some looks before they are unbound, and before there are new ones, which would be taken for dead later.
//
// The number tells, unless the new domain has the old one's, as on another host it may. So there is a word in
// the guest's own part of xenstore (data/hush-guest), which each domain begins without: the first program
// that misses it writes one, and every other finds it changed. In a store that began empty it is missing too;
// then channels are left open that could have been closed, until the guest ends.
#pragma once
#include <string>

#include "xenstore/vif_config.hpp"

namespace hush::domu {

class OwnDomain {
 public:
  // Writes the word where there is none; a guest that may not write it goes by the number alone.
  static Result<OwnDomain> read(xenstore::Client& store);

  // What an admin is to know, where the guest was restored since the last look; empty: it was not. A store
  // that cannot be read tells nothing.
  [[nodiscard]] std::string restored(xenstore::Client& store);
  // And where the channels of before found no keeper.
  [[nodiscard]] static std::string not_kept(const Error& why);

 private:
  OwnDomain(DomId number, std::string life) : number_(number), life_(std::move(life)) {}
  DomId number_;
  std::string life_;  // empty: not known
};

}  // namespace hush::domu
