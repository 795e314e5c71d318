// A network namespace for what makes interfaces. As root.
#pragma once
#include <gtest/gtest.h>
#include <sched.h>

#include <functional>
#include <thread>

namespace hush::test {

// body runs on a thread of its own, which has the namespace and takes it along when it ends; so do the
// threads that body starts.
inline void in_own_namespace(const std::function<void()>& body) {
  std::thread([&body] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root";
    body();
  }).join();
}

}  // namespace hush::test
