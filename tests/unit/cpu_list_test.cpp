// Lists of processors: what is one, what is not, and which processor is not there.
#include "common/event/cpu_list.hpp"

#include <gtest/gtest.h>

namespace hush::event {
namespace {

using Cpus = std::vector<unsigned>;
const Cpus kHere{0, 1, 2, 3, 5};

TEST(CpuList, NumbersAndRanges) {
  EXPECT_EQ(*parse_cpu_list("2", kHere), (Cpus{2}));
  EXPECT_EQ(*parse_cpu_list("0-3,5", kHere), kHere);
  EXPECT_EQ(*parse_cpu_list("5,0-1", kHere), (Cpus{5, 0, 1})) << "in the order of the text";
  EXPECT_EQ(*parse_cpu_list("1-1,0-2", kHere), (Cpus{1, 0, 2})) << "none twice";
}

TEST(CpuList, WhatIsNoList) {
  for (const char* text : {"", ",", "1,", ",1", "-", "1-", "-1", "3-1", "a", "0x1", " 1", "1 ", "1.5",
                           "1-2-3", "0,,1", "99999999999999999999", "4294967296", "0-4294967295"}) {
    const auto list = parse_cpu_list(text, kHere);
    ASSERT_FALSE(list) << text;
    EXPECT_EQ(list.error().code, EINVAL);
    EXPECT_NE(list.error().text.find("no list of processors"), std::string::npos) << list.error().text;
  }
}

TEST(CpuList, AProcessorThatIsNotThere) {
  for (const char* text : {"4", "3-5", "6", "0,1023"}) {
    const auto list = parse_cpu_list(text, kHere);
    ASSERT_FALSE(list) << text;
    EXPECT_NE(list.error().text.find("there are 0-3,5"), std::string::npos) << list.error().text;
  }
}

TEST(CpuList, Text) {
  EXPECT_EQ(to_text(Cpus{}), "");
  EXPECT_EQ(to_text(Cpus{0, 1}), "0,1");
  EXPECT_EQ(to_text(kHere), "0-3,5");
}

TEST(CpuList, ThisProcessRunsSomewhere) {
  const auto here = available_cpus();
  ASSERT_FALSE(here.empty());
  EXPECT_EQ(*parse_cpu_list(to_text(here), here), here);
}

}  // namespace
}  // namespace hush::event
