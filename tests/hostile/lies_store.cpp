// H11 and what else a front end can write into its own nodes.
#include "tests/hostile/lie.hpp"

namespace hush::hostile {
namespace {

Lies queue_counts() {
  using enum Outcome;
  const auto count = [](const char* name, const char* text) {
    return Lie{std::string("queues-") + name, cut_off, "multi-queue-num-queues", "store-queues-unchecked",
               forged(xenstore::key::kMultiQueueNumQueues, text)};
  };
  return {
      count("none", "0"),
      count("one-more-than-the-limit", "9"),
      count("two-to-the-32nd-less-one", "4294967295"),
      count("two-to-the-32nd-and-one", "4294967297"),
      count("empty", ""),
      count("minus-one", "-1"),
      count("text", "many"),
      count("hexadecimal", "0x1"),
      {"queues-one", served, "", "store-queues-unchecked",
       [](LyingFront& front) {
         forged(xenstore::key::kMultiQueueNumQueues, "1")(front);
         front.wait_for({xenstore::XenbusState::connected});
       }},
      {"queues-without-directories", cut_off, "queue-0/tx-ring-ref is missing", "store-missing-as-zero",
       forged(xenstore::key::kMultiQueueNumQueues, "2")},
  };
}

}  // namespace

Lies store_lies() {
  using enum Outcome;
  namespace key = xenstore::key;
  Lies all{
      {"tx-ring-text", cut_off, "not a number", "number-accepts-a-tail",
       forged(key::kTxRingRef, "8; rm -rf /")},
      {"rx-ring-huge", cut_off, "not a number", "number-accepts-a-tail",
       forged(key::kRxRingRef, "99999999999999999999")},
      {"rx-ring-empty", cut_off, "not a number", "store-missing-as-zero", forged(key::kRxRingRef, "")},
      {"rx-ring-spaced", cut_off, "not a number", "number-accepts-a-tail", forged(key::kRxRingRef, " 8")},
      {"rx-ring-binary", cut_off, "not a number", "reason-unprintable",
       forged(key::kRxRingRef, std::string("8\0", 2))},
      {"rx-ring-long", cut_off, "not a number", "number-accepts-a-tail",
       forged(key::kRxRingRef, std::string(2000, '1'))},
      {"rx-copy-refused", cut_off, "page flipping", "store-flipping-served",
       forged(key::kRequestRxCopy, "0")},
      {"features-of-rubbish", served, "", "flag-of-anything",
       [](LyingFront& front) {
         front.connect(
             {{key::kFeatureSg, "yes"}, {key::kFeatureGsoTcpV4, "\xff"}, {key::kFeatureNoCsum, "2"}});
         front.wait_for({xenstore::XenbusState::connected});
       }},
  };
  for (const Lie& lie : queue_counts()) all.push_back(lie);
  return all;
}

}  // namespace hush::hostile
