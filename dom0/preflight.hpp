// What must be true of the machine before the back end may serve vifs.
#pragma once
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hush::dom0 {

// Fails where the kernel's xen-netback would answer the vifs, saying what to do.
Result<void> check_no_kernel_netback();

// Takes the lock file of the run directory, and leaves our process id in it. Held as long as a duplicate of
// the descriptor is open, in whichever process.
Result<UniqueFd> lock_run_directory(const std::string& directory);
// Leaves our process id in a lock file that another process handed over.
Result<void> sign_lock(const UniqueFd& lock);

// Two daemons must never serve the same vifs, whatever their run directories: the second one's TAPs are
// refused, and it would cut off each guest of the first. Takes a name that is one in a network namespace
// (each domain of simxen has its own); as above.
Result<UniqueFd> lock_network();

// Raises gntalloc's limit where it is below what is needed beside what others may have taken; no error where
// it cannot be (CopyPages then says what is missing).
void allow_shared_pages(std::size_t pages);

}  // namespace hush::dom0
