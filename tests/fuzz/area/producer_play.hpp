// A producer whose consumer writes any words between its steps, and within them.
#pragma once
#include <cstring>

#include "tests/fuzz/area/peer_ring.hpp"
#include "tests/fuzz/area/peer_word.hpp"

namespace hush::fuzz {

class ProducerPlay {
 public:
  explicit ProducerPlay(Input input)
      : in_(input),
        ring_(in_),
        producer_(words_, ring_.ring, ring_.max_frame, ring_.at, ring_.last_sleep),
        produced_(ring_.at),
        published_(ring_.at),
        consumed_(ring_.at),
        last_number_(ring_.last_sleep) {
    words_.consumed.write(ring_.at, ring_.at);
  }

  void run() {
    // Bounded: an input of moves that cost nothing is of no interest.
    for (int moves = 0; !in_.empty() && moves < 300; ++moves) move(in_.byte());
  }

 private:
  void move(std::uint8_t what) {
    if (what == 255) return switch_over();
    switch (what % 8) {
      case 0:
        return write(words_.consumed, index());
      case 1:
        return write(words_.mode, in_.byte() % 8);
      case 2:
      case 3:
        return reserve();
      case 4:
        return commit();
      case 5:
        return publish();
      case 6:
        return wait();
      default:
        return look();
    }
  }

  // ---- the consumer
  void write(PeerWord& word, std::uint32_t value) {
    word.write(value, in_.byte() % 4 == 0 ? value + in_.byte() - 32 : value);
  }
  std::uint32_t index() {
    const std::uint8_t how = in_.byte();
    if (how < 96) return published_;
    if (how < 192) return consumed_ + std::uint32_t{in_.byte()} * 16;
    return how < 240 ? consumed_ + in_.word() - 64 : in_.number();
  }

  // ---- the producer
  void reserve() {
    if (over_) return;
    const std::uint32_t length = 1 + in_.word() % ring_.max_frame, need = record_bytes(length);
    std::byte* const place = producer_.reserve(length);
    const bool expected = has_place(length);
    require((place != nullptr) == expected);
    end_of_call();
    reserved_ = expected ? length : 0;
    wanted_ = expected ? 0 : length;
    if (!expected) return;
    require(ring_.place_of(place) == ring_.place(produced_) + 16);
    require(ring_.place(produced_) + need <= ring_.size);
    // Nothing that is not consumed, nor the sixteen bytes that are kept.
    require(need <= ring_.size - 16 - (produced_ - consumed_));
    std::memset(place, 0x5a, length);
  }
  // By the specification; the looks of the call before are taken to have been needed.
  bool has_place(std::uint32_t length) {
    const std::uint32_t left = ring_.to_end(produced_);
    if (fault_ != area::Fault::none) return false;
    if (record_bytes(length) > left) {
      if (!has_room(left)) return false;
      require(ring_.has_skip(produced_));
      produced_ += left;
    }
    return has_room(record_bytes(length));
  }
  bool has_room(std::uint32_t bytes) {
    if (free() < bytes) see(words_.consumed.found());
    return fault_ == area::Fault::none && free() >= bytes;
  }
  [[nodiscard]] std::uint32_t free() const { return ring_.size - 16 - (produced_ - consumed_); }
  void see(std::uint32_t consumed) {
    const bool sound = consumed % 16 == 0 && consumed - consumed_ <= published_ - consumed_;
    if (sound)
      consumed_ = consumed;
    else
      fault_ = producer_.fault();
    require(sound || fault_ != area::Fault::none);
  }

  void commit() {
    if (reserved_ == 0) return;
    const area::Record record{
        .length = 1 + in_.word() % reserved_, .flags = in_.byte(), .segment_size = in_.word()};
    producer_.commit(record);
    const area::Record there = ring_.record(produced_);
    require(std::memcmp(&there, &record, sizeof record) == 0);
    produced_ += record_bytes(record.length);
    reserved_ = 0;
    end_of_call();
  }
  void publish() {
    if (over_) return;
    const bool more = in_.byte() % 2 == 0;
    const bool rings = more ? producer_.publish_more() : producer_.publish();
    require(producer_.untold() == more);
    published_ = produced_;
    require(words_.produced.value() == produced_);
    require(rings == notified_.is_due(words_.mode.found()));
    end_of_call();
  }
  void wait() {
    if (wanted_ == 0 || over_ || fault_ != area::Fault::none) return;
    if (published_ != produced_) publish();
    const bool waits = producer_.wait_for_room(wanted_);
    see(words_.consumed.found());
    const std::uint32_t need = std::min(record_bytes(wanted_), ring_.to_end(produced_));
    require(waits == (fault_ == area::Fault::none && free() < need));
    if (waits) {
      require(words_.room.value() != 0 && words_.room.value() != last_number_);
      require(producer_.last_sleep() == words_.room.value());
      producer_.awake();
    }
    last_number_ = producer_.last_sleep();
    require(words_.room.value() == 0);
    end_of_call();
  }
  // There is room for it whatever the consumer does, and it writes over nothing.
  void switch_over() {
    if (over_) return;
    require(ring_.size - (produced_ - consumed_) >= 16);
    const bool rings = producer_.switch_over();
    const area::Record there = ring_.record(produced_), expected{.kind = area::Kind::switch_over};
    require(std::memcmp(&there, &expected, sizeof there) == 0);
    produced_ += 16;
    published_ = produced_;
    require(words_.produced.value() == produced_);
    require(rings == notified_.is_due(words_.mode.found()));
    over_ = true;
    reserved_ = 0;
    end_of_call();
  }
  void look() {
    producer_.look();
    const std::uint32_t found = words_.consumed.found();
    if (fault_ == area::Fault::none) see(found);
    end_of_call();
  }
  void end_of_call() {
    if (fault_ != area::Fault::none) {  // final; what it looks at does not matter any more
      require(producer_.fault() == fault_);
      words_.consumed.forget();
      reserved_ = 0;
      return;
    }
    require(producer_.fault() == area::Fault::none);
    require(words_.consumed.none_left() && words_.mode.none_left());
    require(producer_.consumed() == consumed_ && producer_.waiting() == published_ - consumed_);
    require(producer_.unpublished() == (published_ != produced_));
  }

  Input in_;
  PeerRing ring_;
  PeerWords words_;
  area::Producer<PeerWord> producer_;
  // What it must be by the specification.
  std::uint32_t produced_, published_, consumed_, last_number_;
  std::uint32_t reserved_ = 0;  // bytes that may be committed
  std::uint32_t wanted_ = 0;    // bytes that there was no room for
  bool over_ = false;           // the last record is out
  NotifiedFor notified_;
  area::Fault fault_ = area::Fault::none;
};

}  // namespace hush::fuzz
