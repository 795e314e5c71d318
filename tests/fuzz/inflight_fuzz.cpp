// A whole in-flight file of any bytes: as they come, or an honest one in which any words are changed by a
// forger who knows the seals. What is believed must be a plan that can be followed: bounded, in order, within
// the ring; a back end that follows it, killed after any store, leaves a file that is believed again; and
// when all is answered nothing is left.
#include <algorithm>
#include <set>
#include <vector>

#include "common/inflight/array.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace hush;
using namespace hush::inflight;
using fuzz::Input, fuzz::require;

constexpr Identity kIdentity{DomId{7}, 1, 2, RingKind::guest_tx, Gref{81}, EvtchnPort{19}};

struct Cut {};
class CutWords {
 public:
  CutWords(std::vector<std::uint64_t>& words, std::size_t& left) : words_(&words), left_(&left) {}
  void store(std::size_t place, std::uint64_t word) {
    if ((*left_)-- == 0) throw Cut{};
    (*words_)[place] = word;
  }

 private:
  std::vector<std::uint64_t>* words_;
  std::size_t* left_;
};

class Play {
 public:
  Play(Input& input, const Geometry& geometry) : input_(input), geometry_(geometry) {}

  void run() {
    ring_.rsp_prod = input_.number();
    ring_.req_prod = ring_.rsp_prod + input_.byte() % (geometry_.slots + 2);
    file_ = new_file(geometry_, kIdentity, ring_.rsp_prod - input_.byte() % 4);
    if (input_.byte() % 2)
      any_bytes();
    else
      forge();
    if (!look()) return;
    follow(input_.byte());
    require(look());
    follow(SIZE_MAX);
    require(look());
    require(plan_.pending.empty() && plan_.answered.empty() && !plan_.batch_stands);
    require(plan_.free.size() == geometry_.slots);
  }

 private:
  void any_bytes() {
    std::size_t at = input_.word() % (words_of(geometry_) + 2) * 8;
    file_.resize(std::max(file_.size(), at / 8));
    for (; !input_.empty() && at < file_.size() * 8; ++at)
      file_[at / 8] ^= std::uint64_t{input_.byte()} << at % 8 * 8;
  }

  void forge() {
    const auto put = [this](std::size_t place, std::uint32_t value, std::uint32_t of = 0) {
      file_[place] = seal(value, place, of);
    };
    for (int moves = 0; moves < 64 && !input_.empty(); ++moves) {
      const auto id = static_cast<RecordId>(input_.byte() % geometry_.slots);
      const std::size_t at = record_at(geometry_, id);
      switch (input_.byte() % 6) {
        case 0:
          put(kAnsweredAt, ring_.rsp_prod - input_.byte() % 8);
          break;
        case 1:
          put(kBatchAt, pack(Batch{static_cast<RecordId>(input_.byte() % (geometry_.slots + 2) - 1),
                                   static_cast<std::uint16_t>(input_.byte() % (geometry_.slots + 2))}));
          break;
        case 2:
          put(kBatchAt, input_.number());
          break;
        case 3:
          put(at, input_.number());
          break;
        case 4:
          put(at, pack(RecordState{static_cast<State>(input_.byte() % 7), 0,
                                   static_cast<RecordId>(input_.byte() % (geometry_.slots + 2) - 1)}));
          break;
        default: {
          const std::uint32_t ticket = ring_.rsp_prod + input_.byte() % geometry_.slots;
          put(at + kTicketWord, ticket);
          put(at + kTicketWord + 1, input_.byte() % 3 == 0 ? input_.number() : 0);
          for (std::size_t i = 0; i < geometry_.request_words; ++i)
            put(at + kRequestWord + i, input_.byte(), ticket);
        }
      }
    }
  }

  // Is it believed? Then what is planned holds together.
  bool look() {
    auto plan = judge(file_, geometry_, kIdentity, ring_);
    if (!plan) {
      require(!name(plan.error()).empty());
      return false;
    }
    plan_ = std::move(*plan);
    require(plan_.produced == ring_.rsp_prod);
    require(plan_.consumed == plan_.produced + static_cast<std::uint32_t>(plan_.pending.size()));
    require(plan_.pending.size() <= ring_.req_prod - ring_.rsp_prod);
    require(plan_.free.size() + plan_.pending.size() == geometry_.slots);
    require(static_cast<std::uint32_t>(plan_.next_ticket) == plan_.consumed);
    std::set<RecordId> ids(plan_.free.begin(), plan_.free.end());
    for (const RecordId id : plan_.answered) require(ids.contains(id));
    for (std::size_t i = 0; i < plan_.pending.size(); ++i) {
      const Pending& pending = plan_.pending[i];
      require(ids.insert(pending.id).second);
      require(pending.request.size() == geometry_.request_words);
      require(i == 0 || plan_.pending[i - 1].ticket < pending.ticket);
      require(pending.ticket < plan_.next_ticket);
      if (geometry_.order == Order::in_turn)
        require(static_cast<std::uint32_t>(pending.ticket) == plan_.produced + static_cast<std::uint32_t>(i));
    }
    require(ids.size() == geometry_.slots && *ids.rbegin() == geometry_.slots - 1);
    return true;
  }

  // A life of so many stores: replays, takes what is there, answers.
  void follow(std::size_t stores) {
    try {
      Array<CutWords> array(CutWords(file_, stores), geometry_, plan_);
      std::vector<Answer> batch;
      for (const Pending& pending : plan_.pending) {
        if (!pending.sent) array.sent(pending.id, -1);
        batch.push_back({pending.id, pending.result});
      }
      const std::vector<std::uint32_t> request(geometry_.request_words, 0xa5a5'a5a5);
      for (std::uint32_t at = plan_.consumed; at != ring_.req_prod; ++at)
        batch.push_back({array.take(request), 0});
      if (batch.empty()) return;
      array.commit(batch, [&] { ring_.rsp_prod += static_cast<std::uint32_t>(batch.size()); });
    } catch (const Cut&) {
    }
  }

  Input& input_;
  Geometry geometry_;
  RingIndexes ring_;
  std::vector<std::uint64_t> file_;
  Plan plan_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::uint8_t shape = input.byte();
  const Geometry geometry{2U << shape % 3, 1U + shape / 4 % 6, shape & 0x80 ? Order::any : Order::in_turn};
  Play(input, geometry).run();
  return 0;
}
