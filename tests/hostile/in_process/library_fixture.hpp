// An application's vif (domu/library) against a back end that the test is, over tests/support/fake_xen.
#pragma once
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "domu/library/direct_vif.hpp"
#include "tests/support/fake_xen/world.hpp"

namespace hush {

using namespace std::chrono_literals;
using test::FakeXen;

inline constexpr char kFront[] = "device/vif/0/";
inline constexpr char kBack[] = "/local/domain/7/backend/vif/0/0/";
inline constexpr char kErrorNode[] = "error/device/vif/0/error";
inline constexpr std::uint32_t kRing = 4096;

class Library : public ::testing::Test {
 public:
  Library() {
    xen_.reset();
    xen_.let_share();
    xen_.write("domid", "3");
    make_device();
    xen_.write(kBack + std::string("online"), "1");
    back("feature-rx-copy", "1");
    back("feature-hush-area", "1");
    back("hush-area-stall", "3600000");  // no test takes as long
    back("state", "2");
  }
  ~Library() override {
    vif_.reset();
    EXPECT_EQ(xen_.shares(), 0U);
    EXPECT_EQ(xen_.ports(), 0U);
    xen_.reset();
  }

  // As the toolstack does for a new guest, and for a restored one.
  void make_device() {
    xen_.write(kFront + std::string("backend"), "/local/domain/7/backend/vif/0/0");
    xen_.write(kFront + std::string("backend-id"), "7");
    xen_.write(kFront + std::string("state"), "1");
  }
  void back(const std::string& key, const std::string& value) { xen_.write(kBack + key, value); }
  // For a test that waits for what comes too late: before it connects.
  void lose_patience() { back("hush-area-stall", "20"); }
  std::string front(const std::string& key) { return xen_.read(kFront + key).value_or(""); }
  void open() {
    auto opened = DirectVif::open({.ring = kRing,
                                   .area_only = area_only_,
                                   .log = [this](std::string_view line) { log_ += std::string(line) + "\n"; },
                                   .keeper = keeper_});
    ASSERT_TRUE(opened) << opened.error().text;
    vif_ = std::move(*opened);
  }
  // What a back end does with what it is offered: maps it, and says so.
  void accept() {
    ASSERT_EQ(front("state"), "4") << log_;
    page_ = static_cast<area::HeaderPage*>(
        xen_.shared_page(static_cast<std::uint32_t>(std::stoul(front("hush-area-ref")))));
    ASSERT_NE(page_, nullptr);
    const auto header = page_->header.take<area::Header>();
    ASSERT_FALSE(area::refusal(header, page_->rest.take<area::Rest>(),
                               static_cast<std::uint32_t>(std::stoul(front("hush-area-pages"))), 100));
    std::array<std::uint32_t, 2> grefs{};
    std::memcpy(grefs.data(), xen_.shared_page(header.index_grefs[0]), sizeof grefs);
    void* const rings = xen_.shared_page(grefs[0]);
    ASSERT_EQ(static_cast<std::byte*>(rings) + kPageSize, xen_.shared_page(grefs[1]));
    in_.emplace(page_->guest_tx, area::guest_tx_ring(rings, header), header.guest_tx_max_frame);
    out_.emplace(page_->guest_rx, area::guest_rx_ring(rings, header), header.guest_rx_max_frame);
    page_->back_lives.store(1);
    back("hush-area-generation", "1");
    back("state", "4");
    vif_->step();
    ASSERT_NE(vif_->link(), nullptr) << vif_->reason();
  }
  void connect() {
    open();
    accept();
    if (!vif_ || !vif_->link()) throw std::runtime_error("not connected: " + log_);  // ends the test
  }
  Link& link() { return *vif_->link(); }
  std::uint32_t port() { return static_cast<std::uint32_t>(std::stoul(front("event-channel"))); }
  bool readable() {
    pollfd at{vif_->fd(), POLLIN, 0};
    return ::poll(&at, 1, 0) == 1;
  }
  // What is left readable before: watches that fired.
  void settle() {
    vif_->step();
    ASSERT_FALSE(readable());
  }
  // Sends a frame of its number to the application; whether it is to be told.
  bool give(std::uint32_t length, std::uint8_t number) {
    std::byte* const place = out_->reserve(length);
    if (!place) return false;
    std::memset(place, number, length);
    out_->commit({.length = length});
    return out_->publish();
  }

  FakeXen& xen_ = FakeXen::get();
  bool area_only_ = false;
  std::string keeper_ = "/nowhere/hush-frontd";
  std::string log_;
  std::unique_ptr<DirectVif> vif_;
  area::HeaderPage* page_ = nullptr;
  std::optional<area::SharedConsumer> in_;
  std::optional<area::SharedProducer> out_;
};

}  // namespace hush
