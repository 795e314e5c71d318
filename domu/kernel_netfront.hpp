// The kernel's own front end, xen-netfront, as sysfs shows it: does it drive a vif, and how it lets go of one
// or takes one.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/result.hpp"

namespace hush::domu {

class KernelNetfront {
 public:
  // sysfs: where /sys is.
  explicit KernelNetfront(std::uint32_t device, std::filesystem::path sysfs = "/sys");

  [[nodiscard]] std::uint32_t device() const { return device_; }
  // The driver is in the kernel, or its module is loaded.
  [[nodiscard]] bool loaded() const;
  // The kernel has seen the device, whoever drives it. It looks at new ones by itself, a moment after they
  // come.
  [[nodiscard]] bool has_device() const;
  [[nodiscard]] bool drives() const;
  // The name of the vif's interface while the kernel drives it; empty: it has none yet.
  [[nodiscard]] std::string interface() const;

  // Fails where the kernel drives the vif, saying how it can be freed.
  [[nodiscard]] Result<void> must_not_drive() const;
  // Fails where the kernel cannot be made to let go of the vif without harm, saying why and what to do.
  [[nodiscard]] Result<void> can_let_go() const;

  // Until the kernel has done so, bound at most: it may wait for the back end for ever, and a process of its
  // own goes on waiting there. ETIMEDOUT then.
  Result<void> let_go(std::chrono::milliseconds bound) const;
  Result<void> take(std::chrono::milliseconds bound) const;
  // Lets go, where it drives the vif, and takes it.
  Result<void> begin_anew(std::chrono::milliseconds bound) const;

 private:
  [[nodiscard]] std::filesystem::path device_folder() const;

  std::uint32_t device_;
  std::string name_;  // "vif-0"
  std::filesystem::path bus_, driver_;
};

}  // namespace hush::domu
