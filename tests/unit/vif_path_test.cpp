// Which xenstore paths name a vif of ours, and which only look like one?
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "xenstore/vif_config.hpp"

namespace hush::xenstore {
namespace {

constexpr VifId kVif{DomId{7}, 3};

TEST(VifPath, NamesAreThoseOfTheKernelsNetback) {
  EXPECT_EQ(vif_name(kVif), "vif7.3");
  EXPECT_EQ(backend_path(kVif), "backend/vif/7/3");
  // IFNAMSIZ is 16 with the closing zero: the largest of names fits.
  EXPECT_LT(vif_name({DomId{kDomIdMax}, kMaxHandle}).size(), 16U);
}

TEST(VifPath, FindsTheVifInItsPathAndBelow) {
  for (const char* path :
       {"backend/vif/7/3", "backend/vif/7/3/state", "backend/vif/7/3/queue-0/x",
        "/local/domain/2/backend/vif/7/3", "/local/domain/0/backend/vif/7/3/hotplug-status"})
    EXPECT_EQ(parse_backend_path(path), kVif) << path;
}

TEST(VifPath, LimitsOfTheNumbers) {
  EXPECT_EQ(parse_backend_path("backend/vif/0/0"), (VifId{DomId{0}, 0}));
  EXPECT_EQ(parse_backend_path("backend/vif/32751/65535"), (VifId{DomId{kDomIdMax}, kMaxHandle}));
  EXPECT_EQ(parse_backend_path("backend/vif/32752/3"), std::nullopt);
  EXPECT_EQ(parse_backend_path("backend/vif/7/65536"), std::nullopt);
  EXPECT_EQ(parse_backend_path("backend/vif/65543/3"), std::nullopt) << "65543 is 7 in 16 bits";
}

TEST(VifPath, WhatIsNoVifIsNone) {
  for (const std::string& path : {std::string(),
                                  std::string("/"),
                                  std::string("backend"),
                                  std::string("backend/vif"),
                                  std::string("backend/vif/"),
                                  std::string("backend/vif/7"),
                                  std::string("backend/vif/7/"),
                                  std::string("backend/vif//3"),
                                  std::string("backend/vif/7//3"),
                                  std::string("backend/vif/-7/3"),
                                  std::string("backend/vif/7/-3"),
                                  std::string("backend/vif/7/3x"),
                                  std::string("backend/vif/7/ 3"),
                                  std::string("backend/vif/seven/3"),
                                  std::string("backend/vif/0x7/3"),
                                  std::string("backend/vbd/7/3"),
                                  std::string("backend/vif/7/3\n"),
                                  std::string("backend/vif/7/3\0", 16),
                                  std::string("device/vif/3"),
                                  std::string("@releaseDomain"),
                                  std::string("backend/vif/99999999999999999999/3")})
    EXPECT_EQ(parse_backend_path(path), std::nullopt) << "'" << path << "'";
}

// One vif has one path: a second spelling would make two vifs of one, or hide one behind the other.
TEST(VifPath, OtherSpellingsAreNone) {
  for (const char* path :
       {"backend/vif/07/3", "backend/vif/7/03", "backend/vif/7/00", "xbackend/vif/7/3", "x/backend/vif/7/3",
        "/backend/vif/7/3", "/local/domain/2/x/backend/vif/7/3", "/local/domain/x/backend/vif/7/3",
        "/local/domain//backend/vif/7/3", "/local/domain/2/device/backend/vif/7/3", "/vm/backend/vif/7/3",
        "device/vif/0/backend/vif/7/3"})
    EXPECT_EQ(parse_backend_path(path), std::nullopt) << path;
}

RC_GTEST_PROP(VifPath, EveryVifIsFoundInItsOwnPath, ()) {
  const VifId id{DomId{*rc::gen::inRange<std::uint16_t>(0, kDomIdMax + 1)},
                 *rc::gen::inRange<std::uint32_t>(0, kMaxHandle + 1)};
  RC_ASSERT(parse_backend_path(backend_path(id)) == id);
  RC_ASSERT(parse_backend_path("/local/domain/0/" + backend_path(id) + "/mac") == id);
}

// Whatever the path: what is found in it is what stands in it.
RC_GTEST_PROP(VifPath, NothingIsFoundThatIsNotThere, ()) {
  const auto piece = rc::gen::element<std::string>("backend/vif/", "/local/domain/", "/", "/", "7", "0", "3",
                                                   "\n", "x", "-");
  std::string path;
  for (const auto& word : *rc::gen::container<std::vector<std::string>>(piece)) path += word;
  if (const auto id = parse_backend_path(path)) {
    const std::string own = backend_path(*id);
    const std::size_t at = path.starts_with(own) ? 0 : path.find("/" + own) + 1;
    RC_ASSERT(path.compare(at, own.size(), own) == 0);
    RC_ASSERT(path.size() == at + own.size() || path[at + own.size()] == '/');
  }
}

}  // namespace
}  // namespace hush::xenstore
