// What a client asks the server and what it answers: one SOCK_SEQPACKET message each, a fixed head and a
// payload.
#pragma once

#include <cstdint>

namespace hush::simxen {

enum class Op : uint32_t {
  hello,         // domid, port = process id hint; payload = name. Answer: id = session; fd: machine
  close_handle,  // handle (event channels of the handle are closed; mappings stay, as on Linux)
  share,    // domid = grantee, count, flags; offset, port = unmap notification. Answer: id; payload = grefs
  unshare,  // id
  map,      // count, flags; offset, port; payload = GrantName[count]. Answer: id; payload = incarnations
  unmap,    // id
  open_domain,       // domid. Answer: value = incarnation; fds: memory rw, memory ro, grant table
  bind_unbound,      // domid. Answer: value = port; fds: receive, notify
  bind_interdomain,  // domid, port. Answer: as above
  bind_virq,         // port = virq. Answer: as above
  unbind,            // port
  notify_later,      // port, count = microseconds
  adopt_handle,      // handle: after an exec. Answer: payload = ports; fds two a port, in messages of
                     // kPortsPerAdopt
  list_domains,      // Answer: payload = DomainInfo[]
  create_domain,     // domid; payload = name. Answer: value = the store's event channel
  destroy_domain,    // domid
  pause_domain,      // domid
  unpause_domain,    // domid
  crash_domain,      // domid
  report,            // flags. Answer: fd: JSON text
  set_grant_limit,   // domid or kAnyDomain, count
  wait_store,        // Answer comes when the store has bound dom0's channel, or failed: error
  shutdown,
};

inline constexpr uint32_t kWritable = 1;
// A report of no more than that: 64 guests' grants are 30,000 objects.
inline constexpr uint32_t kNamesOnly = 1;
inline constexpr uint32_t kPortsPerAdopt = 60;
// The handles that outlive an exec are numbered by their descriptor, marked with this.
inline constexpr uint32_t kKeptHandle = 0x8000'0000;

struct Request {
  Op op{};
  uint32_t handle = 0;
  uint32_t as = 0;  // the domain in whose name this is asked
  uint32_t domid = 0;
  uint32_t count = 0;
  uint32_t flags = 0;
  uint32_t port = 0;
  uint32_t offset = 0;
  uint64_t id = 0;
};

struct Reply {
  int32_t error = 0;  // errno, 0 = done
  uint32_t value = 0;
  uint64_t id = 0;
};

struct GrantName {
  uint32_t domid;
  uint32_t gref;
};

struct DomainInfo {
  uint32_t domid;
  uint32_t paused : 1, shutdown : 1, unused : 30;
  uint32_t shutdown_reason;
  uint32_t pages;
  uint8_t uuid[16];
};

}  // namespace hush::simxen
