// libxencall: the hypercalls under Debian's own libxenctrl, so that the whole of libxenctrl works or says
// ENOSYS.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tools/simxen/lib/connection.hpp"
#include "tools/simxen/lib/visible.hpp"
#include "tools/simxen/lib/xen_api.hpp"

extern "C" {
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#include <xen/xen.h>
}

struct xencall_handle {
  uint32_t domid = 0;
};

namespace hush::simxen {
namespace {

int fail(int reason) {
  errno = reason;
  return -1;
}

std::vector<DomainInfo> domains(uint32_t as) {
  ipc::Packet packet;
  Reply reply;
  if (!Connection::instance().ask({.op = Op::list_domains, .as = as}, packet, reply)) return {};
  return packet.items<Reply, DomainInfo>();
}

void describe(const DomainInfo& from, xen_domctl_getdomaininfo& to) {
  std::memset(&to, 0, sizeof to);
  to.domain = static_cast<domid_t>(from.domid);
  to.flags = from.paused != 0 ? XEN_DOMINF_paused : from.shutdown != 0 ? 0 : XEN_DOMINF_running;
  if (from.shutdown != 0) to.flags |= XEN_DOMINF_shutdown | from.shutdown_reason << XEN_DOMINF_shutdownshift;
  to.tot_pages = to.max_pages = from.pages;
  to.nr_online_vcpus = 1;
  std::memcpy(to.handle, from.uuid, sizeof to.handle);
}

int domctl(uint32_t as, xen_domctl& call) {
  const auto forward = [&](Op op) {
    return Connection::instance().ask({.op = op, .as = as, .domid = call.domain}) ? 0 : -1;
  };
  switch (call.cmd) {
    case XEN_DOMCTL_getdomaininfo: {
      const auto all = domains(as);
      const auto found = std::find_if(all.begin(), all.end(),
                                      [&](const DomainInfo& one) { return one.domid >= call.domain; });
      if (found == all.end()) return fail(ESRCH);
      describe(*found, call.u.getdomaininfo);
      call.domain = call.u.getdomaininfo.domain;
      return 0;
    }
    case XEN_DOMCTL_destroydomain:
      return forward(Op::destroy_domain);
    case XEN_DOMCTL_pausedomain:
      return forward(Op::pause_domain);
    case XEN_DOMCTL_unpausedomain:
      return forward(Op::unpause_domain);
    default:
      return fail(ENOSYS);
  }
}

int sysctl(uint32_t as, xen_sysctl& call) {
  switch (call.cmd) {
    case XEN_SYSCTL_getdomaininfolist: {
      auto& list = call.u.getdomaininfolist;
      xen_domctl_getdomaininfo_t* out = nullptr;
      std::memcpy(&out, &list.buffer, sizeof out);
      list.num_domains = 0;
      for (const DomainInfo& one : domains(as)) {
        if (one.domid < list.first_domain || list.num_domains == list.max_domains) continue;
        describe(one, out[list.num_domains++]);
      }
      return 0;
    }
    case XEN_SYSCTL_physinfo: {
      auto& info = call.u.physinfo;
      std::memset(&info, 0, sizeof info);
      info.threads_per_core = info.cores_per_socket = info.nr_nodes = 1;
      info.nr_cpus = static_cast<uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN));
      info.max_cpu_id = info.nr_cpus - 1;
      info.cpu_khz = 1'000'000;
      info.total_pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
      info.free_pages = static_cast<uint64_t>(::sysconf(_SC_AVPHYS_PAGES));
      return 0;
    }
    case XEN_SYSCTL_sched_id:
      call.u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
      return 0;
    default:
      return fail(ENOSYS);
  }
}

int version(unsigned command, void* out) {
  const auto text = [out](const char* value, size_t size) {
    std::snprintf(static_cast<char*>(out), size, "%s", value);
    return 0;
  };
  switch (command) {
    case XENVER_version:
      return 4 << 16 | 17;
    case XENVER_pagesize:
      return static_cast<int>(kPageSize);
    case XENVER_extraversion:
      return text(".simxen", XEN_EXTRAVERSION_LEN);
    case XENVER_capabilities:
      return text("xen-3.0-x86_64 ", sizeof(xen_capabilities_info_t));
    case XENVER_changeset:
      return text("simxen", XEN_CHANGESET_INFO_LEN);
    case XENVER_commandline:
      return text("", sizeof(xen_commandline_t));
    case XENVER_compile_info:
      std::memset(out, 0, sizeof(xen_compile_info_t));
      return 0;
    case XENVER_platform_parameters:
      std::memset(out, 0, sizeof(xen_platform_parameters_t));
      return 0;
    default:
      return fail(ENOSYS);
  }
}

int hypercall(const xencall_handle* handle, unsigned number, uint64_t first, uint64_t second = 0) {
  Connection& connection = Connection::instance();
  connection.count(handle->domid, Primitive::hypercall);
  if (connection.fails(handle->domid, Primitive::hypercall)) return fail(EPERM);
  if (number == __HYPERVISOR_xen_version)
    return version(static_cast<unsigned>(first), reinterpret_cast<void*>(second));  // NOLINT
  if (number != __HYPERVISOR_domctl && number != __HYPERVISOR_sysctl) return fail(ENOSYS);
  if (handle->domid != 0) return fail(EPERM);
  if (number == __HYPERVISOR_domctl)
    return domctl(handle->domid, *reinterpret_cast<xen_domctl*>(first));  // NOLINT
  return sysctl(handle->domid, *reinterpret_cast<xen_sysctl*>(first));    // NOLINT
}

}  // namespace
}  // namespace hush::simxen

using namespace hush::simxen;  // NOLINT: the functions below are C names, nothing is exported by this

SIMXEN_VISIBLE xencall_handle* xencall_open(xentoollog_logger*, unsigned) {
  if (!Connection::instance().open()) return nullptr;
  return new xencall_handle{acting_domid()};
}
SIMXEN_VISIBLE int xencall_close(xencall_handle* handle) {
  delete handle;
  return 0;
}
SIMXEN_VISIBLE int xencall_fd(xencall_handle*) {
  return -1;
}
SIMXEN_VISIBLE int xencall_buffers_never_fault(xencall_handle*) {
  return 1;
}
SIMXEN_VISIBLE void* xencall_alloc_buffer_pages(xencall_handle*, size_t pages) {
  void* at = ::mmap(nullptr, pages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}
SIMXEN_VISIBLE void xencall_free_buffer_pages(xencall_handle*, void* at, size_t pages) {
  if (at != nullptr) ::munmap(at, pages * kPageSize);
}
SIMXEN_VISIBLE void* xencall_alloc_buffer(xencall_handle*, size_t size) {
  return std::aligned_alloc(kPageSize, (size + kPageSize - 1) / kPageSize * kPageSize);
}
SIMXEN_VISIBLE void xencall_free_buffer(xencall_handle*, void* at) {
  std::free(at);
}

SIMXEN_VISIBLE int xencall0(xencall_handle* handle, unsigned op) {
  return hypercall(handle, op, 0);
}
SIMXEN_VISIBLE int xencall1(xencall_handle* handle, unsigned op, uint64_t a) {
  return hypercall(handle, op, a);
}
SIMXEN_VISIBLE int xencall2(xencall_handle* handle, unsigned op, uint64_t a, uint64_t b) {
  return hypercall(handle, op, a, b);
}
SIMXEN_VISIBLE int xencall3(xencall_handle* handle, unsigned op, uint64_t a, uint64_t b, uint64_t) {
  return hypercall(handle, op, a, b);
}
SIMXEN_VISIBLE int xencall4(xencall_handle* handle, unsigned op, uint64_t a, uint64_t b, uint64_t, uint64_t) {
  return hypercall(handle, op, a, b);
}
SIMXEN_VISIBLE int xencall5(xencall_handle* handle, unsigned op, uint64_t a, uint64_t b, uint64_t, uint64_t,
                            uint64_t) {
  return hypercall(handle, op, a, b);
}
SIMXEN_VISIBLE long xencall2L(xencall_handle* handle, unsigned op, uint64_t a, uint64_t b) {
  return hypercall(handle, op, a, b);
}
