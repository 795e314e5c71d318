// A consumer over a ring of which a producer writes every byte and word between its steps, and words within
// them; a SWITCH is awaited, or not any more, at any step.
#pragma once
#include "tests/fuzz/area/peer_ring.hpp"
#include "tests/fuzz/area/peer_word.hpp"

namespace hush::fuzz {

class ConsumerPlay {
 public:
  explicit ConsumerPlay(Input input)
      : in_(input),
        ring_(in_),
        consumer_(words_, ring_.ring, ring_.max_frame, ring_.at, ring_.last_sleep),
        read_(ring_.at),
        released_(ring_.at),
        seen_(ring_.at),
        last_number_(ring_.last_sleep) {
    words_.produced.write(ring_.at, ring_.at);
  }

  void run() {
    // Bounded: an input of moves that cost nothing is of no interest.
    for (int moves = 0; !in_.empty() && moves < 300; ++moves) move(in_.byte());
  }

 private:
  void move(std::uint8_t what) {
    switch (what % 10) {
      case 0:
        return write(words_.produced, index());
      case 1:
        return write(words_.room, in_.byte() % 8);
      case 2:
        return write_bytes();
      case 3:
        return ring_.ring.put(read_ + in_.byte() % 4 * 16, record());
      case 4:
        return send();
      case 5:
      case 6:
        return peek();
      case 7:
        return release();
      case 8:
        allowed_ = in_.byte() % 4 != 0;
        return consumer_.allow_switch(allowed_);
      default:
        return sleep();
    }
  }

  // ---- the producer
  void write(PeerWord& word, std::uint32_t value) {
    word.write(value, in_.byte() % 4 == 0 ? value + in_.byte() - 32 : value);
  }
  std::uint32_t index() {
    const std::uint8_t how = in_.byte();
    if (how < 160) return released_ + std::uint32_t{in_.byte()} * 16;
    return how < 240 ? released_ + in_.word() - 64 : in_.number();
  }
  area::Record record() {
    const std::uint32_t left = ring_.to_end(read_);
    const std::uint32_t lengths[] = {in_.byte(), in_.word(), ring_.max_frame + in_.byte() % 4,
                                     left - in_.byte() % 34, in_.number()};
    const std::uint8_t what = in_.byte();
    return {.length = what >= 250 ? 0 : lengths[what % 5],
            .kind = area::Kind{static_cast<std::uint16_t>(in_.byte() % 4)},
            .flags = in_.byte(),
            .segmentation = in_.byte(),
            .segment_size = in_.byte(),
            .checksum_start = in_.byte(),
            .checksum_offset = in_.byte()};
  }
  void write_bytes() {
    const std::uint32_t at = in_.word() % ring_.size;
    const std::uint32_t count = std::min<std::uint32_t>(in_.byte() % 32, ring_.size - at);
    for (std::uint32_t i = 0; i < count; ++i) ring_.memory[at + i] = std::byte{in_.byte()};
  }
  // As an honest one does it, but for the room, which it may not have; now and then the last record.
  void send() {
    std::uint32_t at = words_.produced.value() & ~15U;
    const std::uint32_t length = area::kMinFrame + in_.word() % (ring_.max_frame - area::kMinFrame + 1);
    const std::uint32_t left = ring_.to_end(at);
    if (length % 8 == 7) {
      ring_.ring.put(at, area::Record{.kind = area::Kind::switch_over});
      return words_.produced.write(at + 16, at + 16);
    }
    if (record_bytes(length) > left) {
      ring_.ring.put(at, area::Record{.length = left - 16, .kind = area::Kind::skip});
      at += left;
    }
    ring_.ring.put(at, area::Record{.length = length, .flags = in_.byte(), .checksum_start = in_.byte()});
    words_.produced.write(at + record_bytes(length), at + record_bytes(length));
  }

  // ---- the consumer
  void peek() {
    area::Frame frame;
    const bool got = consumer_.peek(frame);
    require(consumer_.switched() || !switched_);
    if (switched_) {  // there is nothing more here, and nobody looks
      require(!got && consumer_.fault() == fault_ && words_.produced.none_left());
      return;
    }
    if (fault_ != area::Fault::none) {  // it is final, and the ring is not looked at again
      require(!got && consumer_.fault() == fault_ && words_.produced.none_left());
      return;
    }
    fault_ = consumer_.fault();
    if (got)
      take(frame);
    else if (fault_ != area::Fault::none)
      blame();
    else
      take_nothing();
    require(words_.produced.none_left() && words_.room.none_left());
    require(consumer_.unreleased() == (read_ != released_) || fault_ != area::Fault::none);
  }
  void take(const area::Frame& frame) {
    require(fault_ == area::Fault::none);
    const std::uint32_t place = ring_.place_of(frame.bytes.data()) - 16;
    look_where_due();
    if (place != ring_.place(read_)) skip();
    require(place == ring_.place(read_));
    const std::uint32_t length = frame.record.length;
    require(frame.record.kind == area::Kind::frame && length == frame.bytes.size());
    require(length >= 14 && length <= ring_.max_frame);
    require(place + record_bytes(length) <= ring_.size);
    require(record_bytes(length) <= seen_ - read_);
    read_ += record_bytes(length);
    require(read_ - released_ <= ring_.size);  // it may have been seen while a SWITCH was awaited
    if (area::offload_is_sound(frame.record) && (frame.record.flags & area::kNeedsChecksum) != 0)
      require(frame.record.checksum_start + frame.record.checksum_offset + 1U < length);
    for (const std::byte byte : frame.bytes) last_byte_ = byte;  // ASan looks at each
  }
  void take_nothing() {
    look_where_due();
    if (read_ != seen_ && !is_switch(ring_.record(read_))) skip();
    if (read_ != seen_) {
      require(is_switch(ring_.record(read_)));
      read_ += 16;
      switched_ = true;
    }
    require(read_ == seen_ && consumer_.switched() == switched_);
  }
  // The produced index is looked at once all that it gave is read, and at no other time; and what was found
  // is sound.
  void look_where_due() {
    if (read_ != seen_) return;
    const std::uint32_t found = words_.produced.found();
    require(may_be_produced(found));
    seen_ = found;
  }
  void skip() {
    require(ring_.has_skip(read_) && ring_.to_end(read_) <= seen_ - read_);
    read_ += ring_.to_end(read_);
    look_where_due();
  }
  // Nobody is accused of what is allowed.
  void blame() {
    for (int skips = 0;; ++skips) {
      if (read_ == seen_) {
        const std::uint32_t found = words_.produced.found();
        if (!may_be_produced(found)) return;
        seen_ = found;
      }
      if (!may_stand(ring_.record(read_))) return;
      require(skips == 0 && ring_.has_skip(read_));
      read_ += ring_.to_end(read_);
    }
  }
  [[nodiscard]] bool may_be_produced(std::uint32_t index) const {
    const std::uint32_t given = index - released_;
    return index % 16 == 0 && given <= most() && given >= seen_ - released_;
  }
  [[nodiscard]] std::uint32_t most() const { return ring_.size - (allowed_ ? 0 : 16); }
  // The last record, where one is awaited.
  [[nodiscard]] bool is_switch(const area::Record& record) const {
    return allowed_ && record.kind == area::Kind::switch_over && record.length == 0 && seen_ - read_ == 16;
  }
  [[nodiscard]] bool may_stand(const area::Record& record) const {
    const std::uint32_t most = std::min(ring_.to_end(read_), seen_ - read_);
    if (is_switch(record)) return true;
    if (record.kind == area::Kind::skip) return ring_.has_skip(read_) && ring_.to_end(read_) <= most;
    return record.kind == area::Kind::frame && record.length >= 14 && record.length <= ring_.max_frame &&
           record_bytes(record.length) <= most;
  }

  void release() {
    if (fault_ != area::Fault::none) return;
    const bool rings = consumer_.release();
    released_ = read_;
    require(words_.consumed.value() == released_ && !consumer_.unreleased());
    if (ring_.size - (seen_ - released_) >= ring_.size / 2)
      require(rings == notified_.is_due(words_.room.found()));
    else
      require(!rings);
    require(words_.room.none_left() && words_.produced.none_left());
  }
  void sleep() {
    if (fault_ != area::Fault::none || read_ != seen_) return;
    if (read_ != released_) release();
    const bool sleeps = consumer_.may_sleep();
    require(sleeps == (words_.produced.found() == read_));  // a lie is never slept on
    if (sleeps) {
      require(words_.mode.value() != 0 && words_.mode.value() != last_number_);
      last_number_ = words_.mode.value();
      require(consumer_.last_sleep() == last_number_);
      consumer_.awake();
    }
    last_number_ = consumer_.last_sleep();
    require(words_.mode.value() == 0 && words_.produced.none_left());
  }

  Input in_;
  PeerRing ring_;
  PeerWords words_;
  area::Consumer<PeerWord> consumer_;
  // What it must be by the specification.
  std::uint32_t read_, released_, seen_, last_number_;
  bool allowed_ = false, switched_ = false;
  NotifiedFor notified_;
  area::Fault fault_ = area::Fault::none;
  volatile std::byte last_byte_{};
};

}  // namespace hush::fuzz
