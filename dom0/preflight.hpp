// What must be true of the machine before the back end may serve vifs.
#pragma once
#include "common/result.hpp"

namespace hush::dom0 {

// Fails where the kernel's xen-netback would answer the vifs, saying what to do.
Result<void> check_no_kernel_netback();

// Takes the lock file of the run directory, so that two daemons never serve the same vifs, and leaves our
// process id in it. Held until the process ends; the value is the descriptor.
Result<int> lock_run_directory(const std::string& directory);

// Raises gntalloc's limit where it is below what is needed beside what others may have taken; no error where
// it cannot be (CopyPages then says what is missing).
void allow_shared_pages(std::size_t pages);

}  // namespace hush::dom0
