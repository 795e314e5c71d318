// What tools/bench/area measures both ways with: whatever an echo does to a frame, the run is no figure.
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/bench/area_programs/both_ways.hpp"

namespace hush::bench {
namespace {

constexpr Plan kPlan{.size = 20, .burst = 4, .warm_up = 0, .seconds = 0};
constexpr std::uint64_t kMost = 8;

using Frame = std::vector<std::byte>;

// Both ways in one thread: a frame is back once the echo has seen it.
class Way {
 public:
  // echo(frame, number): what comes back in the place of this one.
  using Echo = std::function<std::vector<Frame>(Frame, std::uint64_t)>;
  explicit Way(Echo echo) : echo_(std::move(echo)) {}

  std::uint64_t send(std::uint64_t number) {
    EXPECT_EQ(number, sent_);
    for (std::uint64_t i = 0; i < kPlan.burst; ++i) {
      Frame frame(kPlan.size);
      write_payload(frame, sent_);
      for (Frame& back : echo_(std::move(frame), sent_)) on_their_way_.push_back(std::move(back));
      ++sent_;
    }
    most_ = std::max(most_, on_their_way_.size());
    return kPlan.burst;
  }
  std::uint64_t receive(PayloadCheck& check) {
    if (on_their_way_.empty()) return 0;
    check.frame(on_their_way_.front());
    on_their_way_.pop_front();
    return 1;
  }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  Echo echo_;
  std::deque<Frame> on_their_way_;
  std::uint64_t sent_ = 0;
  std::size_t most_ = 0;
};

struct BenchBothWays : testing::Test {
  // A run ends with SIGTERM; here with its figure.
  void TearDown() override { detail::stop = false; }
  nlohmann::json run(Way& way) {
    nlohmann::json said;
    measure_both_ways(
        kPlan, kMost, [&](PayloadCheck& check) { return way.receive(check); },
        [&](std::uint64_t number) { return way.send(number); },
        [&](const nlohmann::json& line) {
          said = line;
          detail::stop = true;
        },
        0.01);
    return said;
  }
  nlohmann::json run(Way::Echo echo) {
    Way way(std::move(echo));
    return run(way);
  }
};

TEST_F(BenchBothWays, WhatIsBackWholeAndInOrderIsAFigure) {
  Way way([](Frame frame, std::uint64_t) { return std::vector<Frame>(1, frame); });
  const auto said = run(way);
  EXPECT_EQ(said.at("wrong"), 0);
  EXPECT_GT(said.at("frames"), 0);
  EXPECT_EQ(said.at("bytes"), said.at("frames").get<std::uint64_t>() * kPlan.size);
  EXPECT_EQ(way.most(), kMost);
}

// Wrong ones are counted from the beginning, whatever the window.
TEST_F(BenchBothWays, OneThatIsLostIsWrong) {
  EXPECT_GT(run([](Frame frame, std::uint64_t number) {
              return std::vector<Frame>(number == 5 ? 0 : 1, frame);
            }).at("wrong"),
            0);
}

// After 128 turns, of which one found nothing, there is a figure.
TEST_F(BenchBothWays, OneThatIsLostBehindAllOthersIsWrong) {
  const auto said =
      run([](Frame frame, std::uint64_t number) { return std::vector<Frame>(number < 130 ? 1 : 0, frame); });
  EXPECT_EQ(said.at("frames"), kTurnsPerLook);
  EXPECT_EQ(said.at("wrong"), 2);  // of the 132 that were sent
}

TEST_F(BenchBothWays, OneThatIsDoubledIsWrong) {
  EXPECT_GT(run([](Frame frame, std::uint64_t number) {
              return std::vector<Frame>(number == 5 ? 2 : 1, frame);
            }).at("wrong"),
            0);
}

TEST_F(BenchBothWays, MoreThanWasSentDoesNotEndTheSending) {
  const auto said = run([](Frame frame, std::uint64_t) { return std::vector<Frame>(2, frame); });
  EXPECT_GT(said.at("frames"), kMost);
  EXPECT_GT(said.at("wrong"), 0);
}

TEST_F(BenchBothWays, OneWithAnotherByteIsWrongAlone) {
  EXPECT_EQ(run([](Frame frame, std::uint64_t number) {
              if (number == 5) frame.back() ^= std::byte{1};
              return std::vector<Frame>(1, frame);
            }).at("wrong"),
            1);
}

TEST_F(BenchBothWays, OneThatIsShorterIsWrongAlone) {
  EXPECT_EQ(run([](Frame frame, std::uint64_t number) {
              if (number == 0) frame.pop_back();  // all of it is 0, and so is its sum
              return std::vector<Frame>(1, frame);
            }).at("wrong"),
            1);
}

TEST(BenchMostOnTheirWay, IsHalfOfARingAndABurstAtLeast) {
  EXPECT_EQ(most_on_their_way({.burst = 32}, 1024), 512U);
  EXPECT_EQ(most_on_their_way({.burst = 32}, 15), 32U);
}

}  // namespace
}  // namespace hush::bench
