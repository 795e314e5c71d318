// Do a thread's interrupts, and only they, go to its processor?
#include "common/event/irq_affinity.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace hush::event {
namespace {

namespace fs = std::filesystem;

class IrqAffinity : public ::testing::Test {
 protected:
  void irq(int number, const std::string& action, const std::string& list) {
    const fs::path folder = irqs_ / std::to_string(number);
    fs::create_directories(folder / action);
    std::ofstream(folder / "smp_affinity_list") << list << '\n';
  }
  std::string list(int number) {
    std::string text;
    std::ifstream(irqs_ / std::to_string(number) / "smp_affinity_list") >> text;
    return text;
  }
  test::TempFolder dir_;
  fs::path irqs_ = dir_.path();
};

TEST_F(IrqAffinity, ThoseOfTheThreadMoveAndNoOthers) {
  irq(54, "evtchn:hush-data-1", "0-3");
  irq(55, "evtchn:hush-data-1", "3");
  irq(56, "evtchn:hush-data-1", "2");
  irq(57, "evtchn:hush-data-10", "0-3");
  irq(58, "vif1.0", "0-3");
  std::ofstream(irqs_ / "default_smp_affinity") << "f";
  EXPECT_EQ(keep_interrupts_on(2, "hush-data-1", irqs_), 2U) << "one was there already";
  EXPECT_EQ(list(54), "2");
  EXPECT_EQ(list(55), "2");
  EXPECT_EQ(list(56), "2");
  EXPECT_EQ(list(57), "0-3");
  EXPECT_EQ(list(58), "0-3");
}

TEST_F(IrqAffinity, OneThatCannotBeMovedStaysAndTheOthersMove) {
  fs::create_directories(irqs_ / "54" / "evtchn:hush-data-1");
  fs::create_directories(irqs_ / "54" / "smp_affinity_list");  // no file: writing to it fails
  irq(55, "evtchn:hush-data-1", "0-3");
  EXPECT_EQ(keep_interrupts_on(1, "hush-data-1", irqs_), 1U);
  EXPECT_EQ(list(55), "1");
}

TEST_F(IrqAffinity, WithoutAnyNothingIsDone) {
  EXPECT_EQ(keep_interrupts_on(1, "hush-data-1", irqs_ / "none"), 0U);
}

}  // namespace
}  // namespace hush::event
