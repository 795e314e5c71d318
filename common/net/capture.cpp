#include "common/net/capture.hpp"

#include <sys/time.h>

namespace hush::net {
namespace {
constexpr int kSnapLength = 262144;  // what tcpdump writes: any frame fits
}

Result<std::shared_ptr<Capture>> Capture::create(const std::string& path) {
  std::shared_ptr<Capture> capture{new Capture};
  capture->format_.reset(pcap_open_dead(DLT_EN10MB, kSnapLength));
  if (!capture->format_) return error("capture: out of memory", ENOMEM);
  capture->file_.reset(pcap_dump_open(capture->format_.get(), path.c_str()));
  if (!capture->file_) return error("capture to " + path + ": " + pcap_geterr(capture->format_.get()));
  return capture;
}

void Capture::add(std::span<const std::byte> frame) {
  pcap_pkthdr header{};
  gettimeofday(&header.ts, nullptr);
  header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
  const std::lock_guard lock(mutex_);
  pcap_dump(reinterpret_cast<u_char*>(file_.get()), &header, reinterpret_cast<const u_char*>(frame.data()));
}

void Capture::flush() {
  const std::lock_guard lock(mutex_);

  pcap_dump_flush(file_.get());
}

}  // namespace hush::net
