// How guest_tx of a queue on the netif path began, and what its in-flight file was found to say
// (tx_inflight.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace hush::dom0 {

struct TxResumed {
  enum class From : std::uint8_t {
    start,          // no daemon served this connection before
    file,           // where its file says
    ring,           // where the ring says: there was no file
    ring_not_file,  // the same: the file was not believed
  };
  From from = From::start;
  std::string refused{};   // why the file was not believed
  std::string not_kept{};  // why nothing is kept for the daemon after this one; empty: it is, or is not to be
  std::size_t taken = 0;   // requests that were taken and not answered
  std::size_t sent = 0;    // of them, those that were marked as sent: of a packet, its first
  std::size_t answered = 0;  // requests whose answers were out, which the file did not know yet
};

}  // namespace hush::dom0
