// What passes for a number in a xenstore node? Peers write anything there.
#include "xenstore/number.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace hush::xenstore {
namespace {

TEST(ParseNumber, TakesDecimalNumbersWithinTheLimits) {
  EXPECT_EQ((parse_number<std::uint32_t>("17", 5, 17)), 17U);
  EXPECT_EQ((parse_number<std::uint32_t>("5", 5, 17)), 5U);
  EXPECT_EQ((parse_number<std::uint32_t>("4", 5, 17)), std::nullopt);
  EXPECT_EQ((parse_number<std::uint32_t>("18", 5, 17)), std::nullopt);
  EXPECT_EQ((parse_number<std::uint16_t>("65535", 0, 65535)), 65535);
  EXPECT_EQ((parse_number<std::uint32_t>("4294967295", 0, UINT32_MAX)), UINT32_MAX);
}

// H11 of reliability.md, and what else a guest may try.
TEST(ParseNumber, RefusesEverythingElse) {
  for (const std::string& text : {std::string(),
                                  std::string("-1"),
                                  std::string("+1"),
                                  std::string(" 1"),
                                  std::string("1 "),
                                  std::string("1\n"),
                                  std::string("0x10"),
                                  std::string("1e3"),
                                  std::string("1.0"),
                                  std::string("1,2"),
                                  std::string("one"),
                                  std::string("65536"),
                                  std::string("4294967296"),
                                  std::string("18446744073709551616"),
                                  std::string("99999999999999999999999999999999"),
                                  std::string("1\0", 2),
                                  std::string("\0", 1),
                                  std::string("1\0002", 3),
                                  std::string("\xd9\xa1"),
                                  std::string("%d"),
                                  std::string(5000, '9')})
    EXPECT_EQ((parse_number<std::uint16_t>(text, 0, 65535)), std::nullopt) << "'" << text << "'";
  EXPECT_EQ((parse_number<std::uint32_t>(std::string_view{}, 0, 9)), std::nullopt);
}

RC_GTEST_PROP(ParseNumber, ReadsWhatToStringWrites, (std::uint32_t value)) {
  RC_ASSERT((parse_number<std::uint32_t>(std::to_string(value), 0, UINT32_MAX)) == value);
  RC_ASSERT((parse_number<std::uint32_t>(std::to_string(value) + "x", 0, UINT32_MAX)) == std::nullopt);
}

RC_GTEST_PROP(ParseNumber, AnythingElseIsRefused, (const std::string& text)) {
  const auto value = parse_number<std::uint32_t>(text, 0, UINT32_MAX);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (value) RC_ASSERT(digits);
}

}  // namespace
}  // namespace hush::xenstore
