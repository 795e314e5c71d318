// A world for one test program: brought up before its cases, taken down after them, and this process is its
// dom0.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tools/simxen/lib/xen_api.hpp"

extern "C" void simxen_enter_domain(uint32_t domid);

namespace hush::simxen {

class TestWorld : public ::testing::Environment {
 public:
  void SetUp() override;
  void TearDown() override;
  // Runs 'simxen ARGUMENTS' on the world; the exit status.
  static int command(const std::string& arguments);
  static std::string output(const std::string& arguments);
};

// Handles opened while one of these lives belong to that domain.
class InDomain {
 public:
  explicit InDomain(uint32_t domid) { simxen_enter_domain(domid); }
  ~InDomain() { simxen_enter_domain(0); }
  InDomain(const InDomain&) = delete;
  InDomain& operator=(const InDomain&) = delete;
};

// One domain's handles.
struct Handles {
  explicit Handles(uint32_t domid);
  ~Handles();
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  xengnttab_handle* gnttab;
  xengntshr_handle* gntshr;
  xenevtchn_handle* evtchn;
};

int wait_event(xenevtchn_handle* handle);
int16_t copy_out(xengnttab_handle* handle, uint32_t domid, uint32_t gref, void* to, uint16_t length);

}  // namespace hush::simxen
