// A front end that lies about the area that is to take the place of the one in use (common/area/README.md,
// section 10). What it offers wrongly is refused and the area stays; a SWITCH that is none costs it the
// connection. tests/hostile/run has the back end advise each of these connections once.
#include <memory>
#include <optional>
#include <stdexcept>

#include "common/area/ring_pair.hpp"
#include "tests/hostile/forged_area.hpp"
#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

namespace key = xenstore::key;
constexpr std::uint32_t kAdvised = 128 * 1024;  // as tests/hostile/run says
constexpr auto kOrder = std::memory_order_seq_cst;
constexpr area::Record kSwitch{.kind = area::Kind::switch_over};

// A connection in an area of its own, which the back end has advised to go on in another.
class Advised {
 public:
  explicit Advised(LyingFront& front) : front_(front), first_(front) {
    for (const char* name : {key::kHushAreaOffer, key::kHushAreaDeclined}) remove(name);
    first_.connect(front);
    front.wait_for({xenstore::XenbusState::connected});
    rings_.emplace(area::front_side(first_.view()));
    until([&] { return !front_.backend_says(key::kHushAreaTarget).empty(); }, "there is no advice");
  }

  // Offers the area that was advised, with this change.
  void offer(const std::function<void(ForgedArea&)>& change = {}, std::uint32_t generation = 2,
             area::Sizes sizes = {kAdvised, kAdvised}) {
    next_ = std::make_unique<ForgedArea>(front_, area::header_after(first_.header, generation, sizes));
    generation_ = generation;
    if (change) change(*next_);
    next_->write_pages();
    say(key::kHushAreaOffer, std::to_string(generation_) + " " + std::to_string(next_->gref()) + " " +
                                 std::to_string(next_->pages));
  }
  void expect_answer(const std::string& word) {
    const std::string expected = std::to_string(generation_) + " " + word;
    until([&] { return front_.backend_says(key::kHushAreaAnswer).starts_with(expected); }, "another answer");
  }
  void offer_and_map() {
    offer();
    expect_answer("mapped");
  }
  void until_taken_back() {
    until([&] { return front_.backend_says(key::kHushAreaTarget).empty(); }, "the advice is not taken back");
  }
  void lead() {
    (void)rings_->lead(area::front_side(next_->view()));
    front_.notify();
  }
  // Until the other direction has moved too.
  void until_over() {
    until(
        [&] {
          area::Frame frame;
          while (rings_->in.peek(frame)) {
          }
          if (rings_->in.unreleased()) (void)rings_->in.release();
          return rings_->cross() == area::RingPair::Crossing::over;
        },
        "it does not follow");
  }
  // An honest frame in the area that guest_tx is in, and it is taken.
  void frame() {
    std::byte* const place = rings_->out.reserve(60);
    if (!place) throw std::runtime_error("no room for a frame");
    front_.copy_frame(place, 60);
    rings_->out.commit({.length = 60});
    (void)rings_->out.publish();
    front_.notify();
    until(
        [&] {
          rings_->out.look();
          return rings_->out.waiting() == 0;
        },
        "a frame is not taken");
  }
  // Records as they are, one after the other from the beginning of guest_tx in the first area, and so many
  // bytes published.
  void publish(const std::vector<area::Record>& records, std::uint32_t bytes) {
    std::uint32_t at = 0;
    for (const area::Record& record : records) {
      first_.guest_tx().put(at, record);
      at += area::span_of(record.length);
    }
    first_.page().guest_tx.produced.store(bytes, kOrder);
    front_.notify();
  }
  void say(const char* name, const std::string& text) {
    must(front_.store().view().write(front_.directory() + "/" + name, text), name);
  }
  void remove(const char* name) { must(front_.store().view().remove(front_.directory() + "/" + name), name); }
  // Until its SWITCH is in guest_rx of the first area, whatever is before it.
  void until_followed() {
    until(
        [&] {
          area::Frame frame;
          rings_->in.allow_switch(true);
          while (rings_->in.peek(frame)) {
          }
          return rings_->in.switched();
        },
        "it does not follow");
  }
  void notify() { front_.notify(); }
  [[nodiscard]] ForgedArea& next() { return *next_; }
  // All pages, as when the guest has died; the kernel keeps what is mapped until it is not.
  void drop_everything() {
    rings_.reset();
    first_.rings.reset();
    first_.header_page.reset();
    next_.reset();
  }

 private:
  template <class Condition>
  void until(Condition condition, const char* otherwise) {
    if (!front_.until(condition)) throw std::runtime_error(otherwise);
  }

  LyingFront& front_;
  ForgedArea first_;
  std::unique_ptr<ForgedArea> next_;
  std::uint32_t generation_ = 0;
  std::optional<area::RingPair> rings_;
};

using Act = std::function<void(Advised&)>;

// Once it is advised, does that.
std::function<void(LyingFront&)> advised(Act act) {
  return [=](LyingFront& front) {
    front.keep(nullptr);
    const auto made = std::make_shared<Advised>(front);
    front.keep(made);
    act(*made);
  };
}
// The same, and the vif goes on in the area that it is in.
std::function<void(LyingFront&)> and_on(Act act) {
  return advised([=](Advised& a) {
    act(a);
    a.frame();
  });
}
// Offers an area with this change, which is refused.
std::function<void(LyingFront&)> offered(std::function<void(ForgedArea&)> change,
                                         std::uint32_t generation = 2,
                                         area::Sizes sizes = {kAdvised, kAdvised}) {
  return and_on([=](Advised& a) {
    a.offer(change, generation, sizes);
    a.expect_answer("refused");
  });
}
// Says this for an offer, until the advice is taken back.
std::function<void(LyingFront&)> said(std::string text) {
  return and_on([=](Advised& a) {
    a.say(key::kHushAreaOffer, text);
    a.until_taken_back();
  });
}
// Publishes these records where a SWITCH is awaited.
std::function<void(LyingFront&)> staged(std::vector<area::Record> records, std::uint32_t bytes) {
  return advised([=](Advised& a) {
    a.offer_and_map();
    a.publish(records, bytes);
  });
}

}  // namespace

Lies switch_lies() {
  using enum Outcome;
  constexpr auto kReserved = area::kFirstGref - 1;
  const std::vector<area::Record> full(64, area::Record{.length = 1008});  // sixteen bytes too many
  const char* const kNoOffer = "is not 'GENERATION REF PAGES'";
  return {
      {"switch-advice-ignored", goes_on, "the front end does not follow the advice", "switch-advice-forever",
       and_on([](Advised& a) { a.until_taken_back(); })},
      {"switch-declined-unprintably", goes_on, "KiB: ??.2Jno", "switch-reason-unprintable",
       and_on([](Advised& a) {
         a.say(key::kHushAreaDeclined, "1 \n\x1b[2Jno");
         a.until_taken_back();
       })},
      {"switch-declined-nonsense", goes_on, "is not 'NUMBER REASON'", "", and_on([](Advised& a) {
         a.say(key::kHushAreaDeclined, "never");
         a.until_taken_back();
       })},
      {"switch-offer-words", goes_on, kNoOffer, "", said("two three four")},
      {"switch-offer-two-numbers", goes_on, kNoOffer, "", said("2 900")},
      {"switch-offer-four-numbers", goes_on, kNoOffer, "", said("2 900 66 1")},
      {"switch-offer-negative", goes_on, kNoOffer, "", said("-2 900 66")},
      {"switch-offer-beyond", goes_on, kNoOffer, "", said("4294967298 900 66")},
      {"switch-generation-0", goes_on, kNoOffer, "", said("0 900 66")},
      {"switch-generation-in-use", goes_on, "does not follow the advice", "", said("1 900 66")},
      {"switch-generation-below", goes_on, "a later generation was offered before", "switch-lower-generation",
       and_on([](Advised& a) {
         a.offer([](ForgedArea& next) { ++next.pages; }, 5);
         a.expect_answer("refused");
         a.offer({}, 3);
         a.expect_answer("refused");
       })},
      {"switch-generation-differs", goes_on, "another generation than hush-area-offer", "",
       offered([](ForgedArea& a) { --a.header.generation; }, 3)},
      // It may have closed before the control thread hears of the move, and then nothing is said of it.
      {"switch-generation-highest", goes_on, "", "", and_on([](Advised& a) {
         a.offer({}, UINT32_MAX);
         a.expect_answer("mapped");
         a.lead();
         a.until_over();
       })},
      {"switch-pages-more", goes_on, "another number of pages than hush-area-pages", "",
       offered([](ForgedArea& a) { ++a.pages; })},
      {"switch-pages-less", goes_on, "another number of pages than hush-area-pages", "",
       offered([](ForgedArea& a) { --a.pages; })},
      {"switch-pages-none", goes_on, "another number of pages than hush-area-pages", "",
       offered([](ForgedArea& a) { a.pages = 0; })},
      {"switch-rings-missing", goes_on, "a ring page's gref is missing or reserved", "",
       offered([](ForgedArea& a) { a.grefs[63] = 0; })},
      {"switch-other-frames", goes_on, "other longest frames than the area in use", "switch-other-frames",
       offered([](ForgedArea& a) { ++a.header.guest_tx_max_frame; })},
      {"switch-longer-than-advised", goes_on, "a ring is longer than was advised",
       "switch-longer-than-advised", offered({}, 2, {2 * kAdvised, kAdvised})},
      {"switch-gref-bad", goes_on, "map 64 grants", "",
       offered([](ForgedArea& a) { a.grefs[20] = kBadGref; })},
      {"switch-gref-reserved", goes_on, "a ring page's gref is missing or reserved", "",
       offered([](ForgedArea& a) { a.grefs[20] = kReserved; })},
      {"switch-gref-twice", goes_on, "a gref is named twice", "",
       offered([](ForgedArea& a) { a.grefs[20] = a.grefs[3]; })},
      {"switch-taken-back", goes_on, "map grant", "", offered([](ForgedArea& a) { a.take_back(); })},
      {"switch-unadvised", goes_on, "no other area was advised", "switch-unadvised", and_on([](Advised& a) {
         a.until_taken_back();
         a.offer();
         a.expect_answer("refused");
       })},
      {"switch-two-offers", goes_on, "no other area was advised", "", and_on([](Advised& a) {
         a.offer_and_map();
         a.offer({}, 3);
         a.expect_answer("refused");
       })},
      {"switch-withdrawn", goes_on, "the front end has withdrawn its area", "", and_on([](Advised& a) {
         a.offer_and_map();
         a.remove(key::kHushAreaOffer);
         a.until_taken_back();
       })},
      {"switch-withdrawn-and-led", cut_off, "a switch to no generation", "", advised([](Advised& a) {
         a.offer_and_map();
         a.remove(key::kHushAreaOffer);
         a.until_taken_back();
         a.lead();
       })},
      {"switch-never-led", goes_on, "the front end does not move", "", and_on([](Advised& a) {
         a.offer_and_map();
         a.expect_answer("refused no switch to it came in time");
       })},
      {"switch-led-too-late", cut_off, "a switch to no generation", "", advised([](Advised& a) {
         a.offer_and_map();
         a.expect_answer("refused no switch to it came in time");
         a.lead();
       })},
      {"switch-without-an-offer", cut_off, "a switch to no generation", "switch-unasked",
       advised([](Advised& a) { a.publish({kSwitch}, 16); })},
      {"switch-before-the-answer", cut_off, "a switch to no generation", "", advised([](Advised& a) {
         a.offer([](ForgedArea& next) { ++next.pages; });
         a.expect_answer("refused");
         a.lead();
       })},
      {"switch-twice", cut_off, "a switch to no generation", "", advised([](Advised& a) {
         a.offer_and_map();
         a.lead();
         a.until_over();
         a.next().guest_tx().put(0, kSwitch);
         a.next().page().guest_tx.produced.store(16, kOrder);
         a.notify();
       })},
      {"switch-in-a-row", cut_off, "a record behind a switch", "switch-record-behind",
       staged({kSwitch, kSwitch}, 32)},
      {"switch-frame-behind", cut_off, "a record behind a switch", "",
       staged({kSwitch, {.length = 60}}, 16 + 80)},
      {"switch-with-a-length", cut_off, "a switch that has a length", "switch-with-a-length",
       staged({{.length = 16, .kind = area::Kind::switch_over}}, 32)},
      {"switch-too-full", cut_off, "produced index impossible", "", staged(full, kRing + 16)},
      {"switch-full-without", goes_on, "the front end does not move", "", advised([=](Advised& a) {
         a.offer_and_map();
         a.publish(full, kRing);
         a.until_taken_back();
       })},
      // It may have closed before the control thread hears of the move, and then nothing is said of it.
      {"switch-never-released", goes_on, "", "", and_on([](Advised& a) {
         a.offer_and_map();
         a.lead();
         a.until_over();
       })},
      {"switch-freed-after-the-answer", goes_on, "the front end does not move", "", and_on([](Advised& a) {
         a.offer_and_map();
         a.next().rings.reset();
         a.next().header_page.reset();
         a.until_taken_back();
       })},
      // It may have closed before the control thread hears of the move, and then nothing is said of it.
      {"switch-freed-and-led", goes_on, "", "", advised([](Advised& a) {
         a.offer_and_map();
         a.publish({kSwitch}, 16);
         a.next().rings.reset();
         a.next().header_page.reset();
         a.until_followed();
       })},
      {"switch-gone-after-it", served, "", "",
       [](LyingFront& front) {
         advised([](Advised& a) {
           a.offer_and_map();
           a.lead();
           a.drop_everything();
         })(front);
         front.reconnect();
       }},
      {"switch-offer-storm", goes_on, "the front end has withdrawn its area", "", and_on([](Advised& a) {
         a.offer_and_map();
         for (int i = 0; i < 2000; ++i)
           a.say(key::kHushAreaOffer, std::to_string(3 + i) + " " + std::to_string(kBadGref) + " 66");
         a.until_taken_back();
       })},
  };
}

}  // namespace hush::hostile
