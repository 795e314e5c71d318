#include "dom0/vif/guest_tx.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/step.hpp"

namespace hush::dom0 {
namespace {

constexpr std::size_t kLied = SIZE_MAX;

// In front of the first fragment of a packet, in one page with it.
bool header_fits(std::size_t fragment) {
  return fragment + sizeof(net::VnetHeader) <= kPageSize;
}

std::int16_t verdict(const netif::TxPacket& packet) {
  return packet.fault == netif::TxFault::none ? netif::status::kOkay : netif::status::kError;
}

}  // namespace

// A frame towards the guest takes two segments for a slot where it crosses pages on both sides.
BatchMemory::BatchMemory(xen::GrantTable& table, xen::CopyPages private_pages)
    : grants(table),
      pages(std::move(private_pages)),
      copies(2 * netif::kSlots, pages),
      requests{},
      places{},
      packets(std::make_unique<std::array<netif::TxPacket, netif::kSlots>>()) {}

GuestTx::GuestTx(netif::TxBack ring, DomId peer, int tap, BatchMemory& memory, QueueCounters& counters,
                 MulticastFilter& multicast, std::unique_ptr<TxInflight> inflight)
    : ring_(ring),
      peer_(peer),
      tap_(tap),
      memory_(memory),
      counters_(counters),
      multicast_(multicast),
      inflight_(std::move(inflight)),
      head_{} {}

Pass GuestTx::run(const Tell& tell) {
  short_of_credit_ = false;
  const auto pending = ring_.pending();
  if (!pending) {
    fault_ = "guest_tx ring index impossible";
    return Pass::fault;
  }
  const auto kept = inflight_ ? static_cast<std::uint32_t>(inflight_->kept()) : 0U;
  const std::uint32_t slots = kept + *pending;
  if (slots == 0) return Pass::idle;

  for (std::uint32_t i = 0; i < slots; ++i)
    memory_.requests[i] = i < kept ? inflight_->kept(i) : ring_.take();
  std::size_t packets = assemble(slots);
  if (packets == kLied) return Pass::fault;
  if (kept > 0)
    packets = keep_only_kept(packets, slots);
  else if (credit_.limited())
    packets = afford(packets, slots);
  if (packets == 0) return Pass::idle;
  if (inflight_) take_up(packets);
  HUSH_STEP("tx-taken");
  copy_in(packets);
  HUSH_STEP("tx-copied");

  std::size_t slot = 0;
  std::size_t segment = 0;
  for (auto& packet : std::span(*memory_.packets).first(packets)) {
    if (!known(slot)) {
      if (packet.fault == netif::TxFault::none) {
        for (std::size_t i = 0; i < packet.fragment_count; ++i)
          if (memory_.copies.status(segment++) != 0) packet.fault = netif::TxFault::grant_copy_failed;
      }
      deliver(packet, slot);
      HUSH_STEP("tx-written");
      if (inflight_) inflight_->sent(slot, verdict(packet));
    }
    slot += packet.slots;
  }
  counters_.guest_tx.count_batch(packets);
  commit(packets, slot, tell);
  return Pass::moved;
}

// From done to answered: the file says so, the answers are published, the guest is told. No signal cuts it
// (event::DataThread); a kill may, and the daemon after it finishes what is left (common/inflight/README.md).
//
// Only here: an answer takes its request's slot. A daemon that is killed before the publication is followed
// by one that reads these slots again where it has no file, so they are to be requests for as long as can be.
void GuestTx::commit(std::size_t packets, std::size_t slots, const Tell& tell) {
  bool wanted = false;
  const auto answer_all = [&] { wanted = publish(packets); };
  if (inflight_)
    inflight_->commit(slots, answer_all);
  else
    answer_all();
  HUSH_STEP("tx-answered");
  tell(wanted);
  HUSH_SERVED();
  HUSH_STEP("tx-told");
}

bool GuestTx::publish(std::size_t packets) {
  std::size_t slot = 0;
  for (const auto& packet : std::span(*memory_.packets).first(packets)) {
    answer(packet, slot);
    slot += packet.slots;
  }
  HUSH_STEP("tx-put");
  return ring_.publish();
}

std::size_t GuestTx::assemble(std::uint32_t slots) {
  const std::span<const netif::TxRequest> requests{memory_.requests.data(), slots};
  std::size_t count = 0;
  for (std::size_t at = 0; at < slots; ++count) {
    netif::TxPacket& packet = (*memory_.packets)[count];
    packet = netif::assemble_tx(requests.subspan(at));
    if (fatal(packet.fault)) {
      counters_.tx_faults[static_cast<std::size_t>(packet.fault)].add();
      fault_ = name(packet.fault);
      return kLied;
    }
    at += packet.slots;
  }
  return count;
}

// The packets that may be sent now; the others stay in the ring.
std::size_t GuestTx::afford(std::size_t packets, std::uint32_t slots) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const std::size_t sent =
      credit_.admit(now, packets, [this](std::size_t i) { return (*memory_.packets)[i].length; });
  std::uint32_t used = 0;
  for (const auto& packet : std::span(*memory_.packets).first(sent)) used += packet.slots;
  ring_.give_back(slots - used);
  short_of_credit_ = sent < packets;
  if (short_of_credit_ && credit_.waits_anew()) counters_.tx_throttled.add();
  return sent;
}

// The packets that begin in what was kept, whose credit the daemon before has spent; the others stay in the
// ring.
std::size_t GuestTx::keep_only_kept(std::size_t packets, std::uint32_t slots) {
  std::size_t count = 0, used = 0;
  for (; count < packets && used < inflight_->kept(); ++count) used += (*memory_.packets)[count].slots;
  ring_.give_back(slots - static_cast<std::uint32_t>(used));
  return count;
}

// Before any effect: a copy of each request into the file. What the daemon before knew to be sent is only to
// be answered.
void GuestTx::take_up(std::size_t packets) {
  std::size_t slot = 0;
  for (auto& packet : std::span(*memory_.packets).first(packets)) {
    if (const auto known = inflight_->known(slot))
      packet.fault = *known == netif::status::kOkay ? netif::TxFault::none : netif::TxFault::tap_refused;
    for (std::size_t i = 0; i < packet.slots; ++i) inflight_->take(slot + i, memory_.requests[slot + i]);
    slot += packet.slots;
  }
}

// Fragments lie behind each other, as that is cheapest; one that would cross a page begins the next. Before
// the first of a packet there is room for the header of the TAP, if both fit into a page.
void GuestTx::copy_in(std::size_t packets) {
  memory_.copies.clear();
  std::size_t slot = 0, at = 0;
  for (const auto& packet : std::span(*memory_.packets).first(packets)) {
    if (packet.fault == netif::TxFault::none && !known(slot))
      for (const auto& f : packet.data()) {
        const std::size_t before = f.slot == 0 && header_fits(f.length) ? sizeof(net::VnetHeader) : 0;
        if (at % kPageSize + before + f.length > kPageSize) at += kPageSize - at % kPageSize;
        at += before;
        memory_.places[slot + f.slot] = static_cast<std::uint32_t>(at);
        memory_.copies.from_peer(peer_, f.gref, f.offset, memory_.pages.from(at).first(f.length));
        at += f.length;
      }
    slot += packet.slots;
  }
  if (memory_.copies.size() == 0) return;
  counters_.guest_tx.copy_calls.add();
  counters_.guest_tx.copies.add(memory_.copies.size());
  // A failure of the whole call marks every segment, and so drops each packet, answered and counted.
  (void)memory_.copies.run(memory_.grants);
}

void GuestTx::deliver(netif::TxPacket& packet, std::size_t first_slot) {
  if (packet.multicast)
    packet.fault = change_multicast(*packet.multicast);
  else if (packet.fault == netif::TxFault::none)
    packet.fault = send(packet, first_slot);
  if (packet.fault != netif::TxFault::none) {
    counters_.tx_faults[static_cast<std::size_t>(packet.fault)].add();
    return;
  }
  if (packet.multicast) return;
  if (packet.hashed) counters_.tx_hashes.add();
  counters_.guest_tx.packets.add();
  counters_.guest_tx.bytes.add(packet.length);
  counters_.guest_tx.slots.add(packet.slots);
}

netif::TxFault GuestTx::change_multicast(const netif::MulticastChange& change) {
  if (change.add && !multicast_.add(change.address)) return netif::TxFault::multicast_list_full;
  if (!change.add) multicast_.remove(change.address);
  return netif::TxFault::none;
}

netif::TxFault GuestTx::send(const netif::TxPacket& packet, std::size_t first_slot) {
  net::VnetHeader header{};
  // [0] the header, [1] a gathered head where needed, then the slots.
  std::array<iovec, 2 + netif::kMaxDataSlots> parts;
  std::size_t count = 2;
  for (const auto& f : packet.data())
    parts[count++] = {memory_.pages.from(memory_.places[first_slot + f.slot]).data(), f.length};
  parts[0] = {&header, sizeof header};
  parts[1] = {head_.data(), 0};

  if (packet.csum_blank || packet.gso) {
    std::span<std::byte> head{static_cast<std::byte*>(parts[2].iov_base), parts[2].iov_len};
    if (!net::find_transport(head) && packet.fragment_count > 1) {
      // The headers go on in further slots: gather them.
      std::size_t gathered = 0;
      for (std::size_t i = 2; i < count && gathered < head_.size(); ++i) {
        const std::size_t n = std::min(parts[i].iov_len, head_.size() - gathered);
        std::memcpy(head_.data() + gathered, parts[i].iov_base, n);
        parts[i] = {static_cast<std::byte*>(parts[i].iov_base) + n, parts[i].iov_len - n};
        gathered += n;
      }
      parts[1].iov_len = gathered;
      head = {head_.data(), gathered};
    }
    if (const auto fault = describe_offload(packet, head, header); fault != netif::TxFault::none)
      return fault;
  } else if (packet.data_validated) {
    header.flags = net::vnet::kDataValid;
  }

  if (capture_) record(std::span(parts).subspan(1, count - 1));
  const bool one_run = count == 3 && parts[1].iov_len == 0 && header_fits(parts[2].iov_len);
  const ssize_t written =
      one_run ? write_with_header(header, parts[2]) : writev(tap_, parts.data(), static_cast<int>(count));
  return written < 0 ? netif::TxFault::tap_refused : netif::TxFault::none;
}

// A frame in one piece, behind the room that copy_in() left: the kernel takes one run of bytes for less than
// several parts.
ssize_t GuestTx::write_with_header(const net::VnetHeader& header, const iovec& frame) {
  std::byte* const whole = static_cast<std::byte*>(frame.iov_base) - sizeof header;
  std::memcpy(whole, &header, sizeof header);
  return write(tap_, whole, sizeof header + frame.iov_len);
}

netif::TxFault GuestTx::describe_offload(const netif::TxPacket& packet, std::span<std::byte> head,
                                         net::VnetHeader& header) {
  const auto transport = net::find_transport(head);
  if (!transport || transport->header_bytes > packet.length) return netif::TxFault::no_csum_header;
  header.flags = net::vnet::kNeedsCsum;
  header.csum_start = transport->start;
  header.csum_offset = transport->csum_offset;
  if (!packet.gso) return netif::TxFault::none;

  if (!transport->tcp || transport->ipv6 != packet.gso->ipv6) return netif::TxFault::no_csum_header;
  if (!packet.csum_blank) {
    // Segmentation implies a checksum to be filled in; some front ends forget to say so.
    net::set_pseudo_checksum(head, *transport, packet.length - transport->start);
    counters_.rx_gso_checksum_fixup.add();
  }
  header.gso_type = packet.gso->ipv6 ? net::vnet::kGsoTcpV6 : net::vnet::kGsoTcpV4;
  header.gso_size = packet.gso->size;
  header.hdr_len = transport->header_bytes;
  return netif::TxFault::none;
}

void GuestTx::answer(const netif::TxPacket& packet, std::size_t first_slot) {
  const std::int16_t status = verdict(packet);
  for (std::size_t i = 0; i < packet.slots; ++i) {
    // Extra-info slots carry no id; a front end skips their answers.
    const bool extra = i > 0 && i <= packet.extras;
    ring_.put(extra ? netif::TxResponse{0, netif::status::kNull}
                    : netif::TxResponse{memory_.requests[first_slot + i].id, status});
  }
}

void GuestTx::record(std::span<const iovec> frame) {
  std::vector<std::byte> whole;
  for (const iovec& part : frame) {
    const auto* bytes = static_cast<const std::byte*>(part.iov_base);
    whole.insert(whole.end(), bytes, bytes + part.iov_len);
  }
  capture_->add(whole);
}

}  // namespace hush::dom0
