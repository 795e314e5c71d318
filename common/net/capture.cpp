#include "common/net/capture.hpp"

#include <sys/time.h>

namespace hush::net {
namespace {
constexpr int kSnapLength = 262144;  // what tcpdump writes: any frame fits
}

Result<Capture> Capture::create(const std::string& path) {
  Capture capture;
  capture.format_.reset(pcap_open_dead(DLT_EN10MB, kSnapLength));
  if (!capture.format_) return error("capture: out of memory", ENOMEM);
  capture.file_.reset(pcap_dump_open(capture.format_.get(), path.c_str()));
  if (!capture.file_) return error("capture to " + path + ": " + pcap_geterr(capture.format_.get()));
  return capture;
}

void Capture::add(std::span<const std::byte> frame) {
  pcap_pkthdr header{};
  gettimeofday(&header.ts, nullptr);
  header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
  pcap_dump(reinterpret_cast<u_char*>(file_.get()), &header, reinterpret_cast<const u_char*>(frame.data()));
}

void Capture::flush() {
  pcap_dump_flush(file_.get());
}

}  // namespace hush::net
