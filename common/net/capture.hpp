// Writes frames to a pcap file that tcpdump and Wireshark read, over libpcap.
// Any thread may add(); frames are in the file at flush(), or when the capture is destroyed.
#pragma once
#include <pcap/pcap.h>

#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "common/result.hpp"

namespace hush::net {

class Capture {
 public:
  static Result<std::shared_ptr<Capture>> create(const std::string& path);
  void add(std::span<const std::byte> frame);
  void flush();

 private:
  struct Close {
    void operator()(pcap_t* p) const { pcap_close(p); }
    void operator()(pcap_dumper_t* d) const { pcap_dump_close(d); }
  };
  Capture() = default;

  std::mutex mutex_;
  std::unique_ptr<pcap_t, Close> format_;
  std::unique_ptr<pcap_dumper_t, Close> file_;
};

}  // namespace hush::net
