// A direction of an area as two types, one for each end (README.md, sections 4 to 6).
//
//   producer:  reserve() -> write the frame in place -> commit() ... publish() -> notify if true
//              more is to come: publish_more() -> notify if true; publish() where untold() and nothing came
//              no room: publish(), then wait_for_room(): true -> sleep, and awake() afterwards
//   consumer:  peek() -> read the frame in place ... release() -> notify if true
//              nothing: may_sleep(): true -> sleep, and awake() afterwards
//
//   another generation: switch_over(), and a new Producer; switched(), and a new Consumer (ring_pair.hpp)
//
// An end keeps its own index privately and never reads it back; the other's is checked each time it is looked
// at. After a fault() the ring is not to be used again. Word: shm::SharedWord, or what a model checker puts
// in its place; "publish mine, then read yours" is a seq_cst store and a seq_cst load.
//
// Not thread-safe: an end belongs to one thread.
#pragma once
#include "common/area/fault.hpp"
#include "common/area/record.hpp"
#include "common/area/wake.hpp"
#include "common/shm/byte_ring.hpp"

namespace hush::area {

// The words of one direction, each on two cache lines of its own (README.md, section 3).
template <class Word>
struct Words {
  alignas(128) Word produced;
  alignas(128) Word consumed;
  alignas(128) Word mode;
  alignas(128) Word room;
};
using SharedWords = Words<shm::SharedWord>;
static_assert(sizeof(SharedWords) == 512);

// Kept free for the record that ends a generation.
inline constexpr std::uint32_t kReserve = kRecordBytes;

constexpr std::uint32_t max_frame_of(std::uint32_t ring) {
  return ring / 2 - kRecordBytes;
}

template <class Word>
class Producer {
 public:
  // max_frame: at most max_frame_of(ring.size()). at: both indexes, where the ring was empty. last_sleep: of
  // the room word.
  Producer(Words<Word>& words, shm::ByteRing ring, std::uint32_t max_frame, std::uint32_t at = 0,
           std::uint32_t last_sleep = 0)
      : words_(&words),
        ring_(ring),
        max_frame_(max_frame),
        produced_(at),
        published_(at),
        consumed_(at),
        sleeps_(last_sleep) {}

  [[nodiscard]] std::uint32_t max_frame() const { return max_frame_; }
  [[nodiscard]] Fault fault() const { return fault_; }

  // Room for a frame of `length` bytes (1 to max_frame()), in one piece; null where there is none now, or
  // after a fault. Valid until commit(). Reserving again before commit() gives the same place.
  [[nodiscard]] std::byte* reserve(std::uint32_t length) {
    const std::uint32_t need = span_of(length);
    const std::uint32_t left = ring_.to_end(produced_);
    if (need > left) {
      if (!has_room(left)) return nullptr;
      ring_.put(produced_, Record{.length = left - kRecordBytes, .kind = Kind::skip});
      produced_ += left;
    }
    if (!has_room(need)) return nullptr;
    return ring_.bytes(produced_ + kRecordBytes, length).data();
  }

  // Room for a burst of `frames` frames of this length, or for what half of the ring holds of it? Who waits
  // for that sends whole bursts to a slower reader; frame by frame, both would be busy with their indexes.
  [[nodiscard]] bool has_room_for(std::uint32_t frames, std::uint32_t length) {
    const std::uint64_t need = (std::uint64_t{frames} + 1) * span_of(length);  // one more: a skip
    return has_room(static_cast<std::uint32_t>(std::min<std::uint64_t>(need, ring_.size() / 2 - kReserve)));
  }

  // reserve(), and what room there is behind it, up to max_frame(): for a frame that is expected to have
  // `length` bytes and may have more. Empty where there is no room for those.
  [[nodiscard]] std::span<std::byte> reserve_from(std::uint32_t length) {
    if (!reserve(length)) return {};
    const std::uint32_t room = std::min(free(), ring_.to_end(produced_)) - kRecordBytes;
    return ring_.bytes(produced_ + kRecordBytes, std::min(room, max_frame_));
  }

  // The frame at the place reserved last is complete. record.length is at most what was reserved.
  void commit(const Record& record) {
    ring_.put(produced_, record);
    produced_ += span_of(record.length);
  }

  // Makes every commit() visible. True: the consumer sleeps, and is to be sent one event.
  [[nodiscard]] bool publish() {
    published_ = produced_;
    untold_ = false;
    words_->produced.store(produced_, std::memory_order_seq_cst);
    return bell_.rings(words_->mode.load(std::memory_order_seq_cst));
  }
  // The same where more is to come: without the full fence, which waits for what the other processor still
  // has of the ring, and takes more time than a burst of short frames. A consumer that falls asleep at this
  // very moment is missed. So publish() is due before this end waits for anything or turns to what takes
  // long.
  [[nodiscard]] bool publish_more() {
    published_ = produced_;
    untold_ = true;
    words_->produced.store(produced_, std::memory_order_release);
    return bell_.rings(words_->mode.load(std::memory_order_relaxed));
  }
  [[nodiscard]] bool unpublished() const { return published_ != produced_; }
  // What was published last, was so by publish_more().
  [[nodiscard]] bool untold() const { return untold_; }

  // reserve(length) gave null, and everything is published and told. True: an event will come once there may
  // be room. False: there is room already, or a fault.
  [[nodiscard]] bool wait_for_room(std::uint32_t length) {
    words_->room.store(sleeps_.next(), std::memory_order_seq_cst);
    consumed_seen(words_->consumed.load(std::memory_order_seq_cst));
    const std::uint32_t left = ring_.to_end(produced_);
    if (fault_ == Fault::none && free() < std::min(span_of(length), left)) return true;
    awake();
    return false;
  }
  void awake() { words_->room.store(0, std::memory_order_release); }

  // The last record of this generation, in the bytes that are kept for it, published with all that is
  // committed. Nothing may be reserved after it. True: as publish().
  [[nodiscard]] bool switch_over() {
    commit(Record{.kind = Kind::switch_over});
    return publish();
  }

  // This end goes on where one that died stood: `at` is where that published last, or was about to. Checks
  // the peer's index, and has the page say what this end knows; fault() is why it cannot go on. First of all.
  void take_over() {
    consumed_ = produced_ - (ring_.size() - kReserve);
    look();
    if (fault_ != Fault::none) return;
    words_->produced.store(produced_, std::memory_order_release);
    awake();
  }

  // Everything that is committed; published or about to be.
  [[nodiscard]] std::uint32_t position() const { return produced_; }
  [[nodiscard]] std::uint32_t last_sleep() const { return sleeps_.last(); }
  // Of the room word: what the next wait_for_room() will publish.
  [[nodiscard]] std::uint32_t next_sleep() const { return SleepNumbers(sleeps_).next(); }
  // The peer's index as it was seen last, for the progress rule; and what it has not taken yet, in bytes.
  [[nodiscard]] std::uint32_t consumed() const { return consumed_; }
  [[nodiscard]] std::uint32_t waiting() const { return published_ - consumed_; }
  [[nodiscard]] std::uint32_t unpublished_bytes() const { return produced_ - published_; }
  // Looks at the peer's index anew.
  void look() { consumed_seen(words_->consumed.load(std::memory_order_acquire)); }

 private:
  [[nodiscard]] std::uint32_t free() const { return ring_.size() - kReserve - (produced_ - consumed_); }
  [[nodiscard]] bool has_room(std::uint32_t bytes) {
    if (free() < bytes) look();
    return fault_ == Fault::none && free() >= bytes;
  }
  void consumed_seen(std::uint32_t index) {
    if (fault_ != Fault::none) return;  // the first one is the reason
    if (index % kRecordBytes != 0)
      fault_ = Fault::consumed_unaligned;
    else if (index - consumed_ > published_ - consumed_)
      fault_ = Fault::consumed_impossible;
    else
      consumed_ = index;
  }

  Words<Word>* words_;
  shm::ByteRing ring_;
  std::uint32_t max_frame_;
  std::uint32_t produced_;
  std::uint32_t published_;
  std::uint32_t consumed_;
  SleepNumbers sleeps_;
  Doorbell bell_;
  Fault fault_ = Fault::none;
  bool untold_ = false;
};

// A frame in the ring: its header as it was copied and checked, and its bytes in place, which the peer may
// still change.
struct Frame {
  Record record;
  std::span<const std::byte> bytes;
};

template <class Word>
class Consumer {
 public:
  Consumer(Words<Word>& words, shm::ByteRing ring, std::uint32_t max_frame, std::uint32_t at = 0,
           std::uint32_t last_sleep = 0)
      : words_(&words),
        ring_(ring),
        max_frame_(max_frame),
        read_(at),
        released_(at),
        seen_(at),
        sleeps_(last_sleep) {}

  [[nodiscard]] Fault fault() const { return fault_; }

  // The next frame; false where there is none, or after a fault. Its bytes are ours until the next release().
  // A skip may have been read even so: release() is due where unreleased().
  [[nodiscard]] bool peek(Frame& frame) {
    while (fault_ == Fault::none) {
      if (read_ == seen_) {
        if (switched_) return false;
        produced_seen(words_->produced.load(std::memory_order_acquire));
        if (read_ == seen_) return false;
      }
      const auto record = ring_.template take<Record>(read_);
      if (!is_sound(record)) return false;
      const std::uint32_t at = read_;
      read_ += span_of(record.length);
      if (record.kind == Kind::skip) continue;
      if (record.kind == Kind::switch_over) {
        switched_ = true;
        return false;
      }
      frame = {record, ring_.bytes(at + kRecordBytes, record.length)};
      return true;
    }
    return false;
  }

  // May the producer switch over in this ring (README.md, section 10)? Where not, a SWITCH is a fault.
  void allow_switch(bool allowed) { switch_allowed_ = allowed; }
  // peek() has come to the SWITCH: there will be nothing more here.
  [[nodiscard]] bool switched() const { return switched_; }

  // Bytes of what was peeked at and not released; and of all that was seen in the ring with it.
  [[nodiscard]] std::uint32_t unreleased_bytes() const { return read_ - released_; }
  [[nodiscard]] std::uint32_t waiting() const { return seen_ - released_; }
  [[nodiscard]] std::uint32_t size() const { return ring_.size(); }
  // Was everything that is published peeked at?
  [[nodiscard]] bool is_empty() const { return words_->produced.load(std::memory_order_acquire) == read_; }

  // The frame that was peeked at last stays in the ring: the next peek() gives it again. Not after
  // release().
  void put_back(const Frame& frame) { read_ -= span_of(frame.record.length); }

  // Gives the room of everything peeked at back. True: the producer waits for room, and is to be sent one
  // event.
  [[nodiscard]] bool release() {
    released_ = read_;
    if (seen_ - released_ > ring_.size() / 2) {
      words_->consumed.store(released_, std::memory_order_release);
      return false;
    }
    words_->consumed.store(released_, std::memory_order_seq_cst);
    return bell_.rings(words_->room.load(std::memory_order_seq_cst));
  }
  [[nodiscard]] bool unreleased() const { return released_ != read_; }

  // There was nothing, and everything is released. True: an event will come with the next frame. False: there
  // is one already.
  [[nodiscard]] bool may_sleep() {
    words_->mode.store(sleeps_.next(), std::memory_order_seq_cst);
    if (words_->produced.load(std::memory_order_seq_cst) == read_) return true;
    awake();
    return false;
  }
  // Before the first look after a sleep.
  void awake() { words_->mode.store(0, std::memory_order_release); }

  // This end goes on where one that died stood: everything before `at` was taken. Checks the peer's index,
  // and that nobody moved this end's own, and has the page say what this end knows; fault() is why it cannot
  // go on. First of all, but for allow_switch().
  void take_over() {
    produced_seen(words_->produced.load(std::memory_order_acquire));
    // Released was what was taken, or a part of it.
    const std::uint32_t left = words_->consumed.load(std::memory_order_relaxed);
    if (fault_ == Fault::none && (left % kRecordBytes != 0 || released_ - left > ring_.size()))
      fault_ = Fault::own_index_moved;
    if (fault_ != Fault::none) return;
    words_->consumed.store(released_, std::memory_order_release);
    awake();
  }

  // Behind the frame that was peeked at last. A SWITCH is not counted: what is behind it is elsewhere.
  [[nodiscard]] std::uint32_t position() const { return switched_ ? read_ - kRecordBytes : read_; }
  [[nodiscard]] std::uint32_t last_sleep() const { return sleeps_.last(); }
  // What the next may_sleep() will publish.
  [[nodiscard]] std::uint32_t next_sleep() const { return SleepNumbers(sleeps_).next(); }

 private:
  void produced_seen(std::uint32_t index) {
    if (index % kRecordBytes != 0)
      fault_ = Fault::produced_unaligned;
    else if (index - released_ < seen_ - released_ || index - released_ > most())
      fault_ = Fault::produced_impossible;
    else
      seen_ = index;
  }
  // Bytes that there may be in the ring.
  [[nodiscard]] std::uint32_t most() const { return ring_.size() - (switch_allowed_ ? 0 : kReserve); }
  // Is it a record that may stand there? fault() says why not.
  [[nodiscard]] bool is_sound(const Record& record) {
    const std::uint32_t left = ring_.to_end(read_);
    fault_ = judge(record, left);
    return fault_ == Fault::none;
  }
  [[nodiscard]] Fault judge(const Record& record, std::uint32_t left) const {
    switch (record.kind) {
      case Kind::frame:
        if (record.length < kMinFrame) return Fault::frame_too_short;
        if (record.length > max_frame_) return Fault::frame_too_long;
        break;
      case Kind::skip:
        if (record.length != left - kRecordBytes) return Fault::skip_not_to_the_end;
        break;
      case Kind::switch_over:
        if (!switch_allowed_) return Fault::switch_unasked;
        if (record.length != 0) return Fault::switch_not_empty;
        if (seen_ - read_ != kRecordBytes) return Fault::record_behind_switch;
        break;
      default:
        return Fault::kind_unknown;
    }
    if (span_of(record.length) > left) return Fault::record_crosses_end;
    if (span_of(record.length) > seen_ - read_) return Fault::record_beyond_produced;
    return Fault::none;
  }

  Words<Word>* words_;
  shm::ByteRing ring_;
  std::uint32_t max_frame_;
  std::uint32_t read_;
  std::uint32_t released_;
  std::uint32_t seen_;
  SleepNumbers sleeps_;
  Doorbell bell_;
  Fault fault_ = Fault::none;
  bool switch_allowed_ = false;
  bool switched_ = false;
};

using SharedProducer = Producer<shm::SharedWord>;
using SharedConsumer = Consumer<shm::SharedWord>;

}  // namespace hush::area
