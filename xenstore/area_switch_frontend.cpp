// The front end's writes of area_switch.hpp.
#include "xenstore/area_switch.hpp"
#include "xenstore/keys.hpp"
#include "xenstore/vif_fields.hpp"

namespace hush::xenstore {

Result<void> write_area_offer(Client& client, const std::string& device, const std::string& directory,
                              const AreaOffer& offer) {
  return write_if_there(client, device, [&](const View& view) {
    return view.write(area_offer_path(directory), std::to_string(offer.generation) + " " +
                                                      std::to_string(offer.address.header_page.value) + " " +
                                                      std::to_string(offer.address.pages));
  });
}

Result<void> withdraw_area_offer(Client& client, const std::string& device, const std::string& directory) {
  return write_if_there(client, device,
                        [&](const View& view) { return view.remove(area_offer_path(directory)); });
}

Result<void> write_area_declined(Client& client, const std::string& device, const std::string& directory,
                                 const AreaReply& why) {
  return write_if_there(client, device, [&](const View& view) {
    return view.write(area_declined_path(directory), std::to_string(why.number) + " " + why.refused);
  });
}

Result<void> settle_area_offer(Client& client, const std::string& device, const std::string& directory,
                               const AreaAddress& address) {
  return write_if_there(client, device, [&](const View& view) -> Result<void> {
    for (const auto& [key, value] : {std::pair{key::kHushAreaRef, address.header_page.value},
                                     std::pair{key::kHushAreaPages, address.pages}})
      if (auto done = view.write(at(directory, key), std::to_string(value)); !done) return done;
    return view.remove(area_offer_path(directory));
  });
}

}  // namespace hush::xenstore
