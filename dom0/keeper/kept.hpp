// What hush-keeper is asked for, and the descriptors that it keeps. No system calls but close.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hush::keeper {

// A datagram of sd_notify(3): assignments, a line each. What is not named here is nothing to a keeper.
struct Wish {
  bool store = false;          // FDSTORE=1
  bool remove = false;         // FDSTOREREMOVE=1
  std::string name;            // FDNAME=, as it is kept: "stored" where it is missing or none
  long long main_process = 0;  // MAINPID=; 0: not said, or no number
};
[[nodiscard]] Wish parse(std::string_view text);

class Kept {
 public:
  static constexpr std::size_t kMost = 4096;

  // Does it with the descriptors that came along; what is not to be kept is closed. A descriptor of a name
  // that is there already is kept beside it. Fails where there are kMost.
  Result<void> act(const Wish& wish, std::vector<UniqueFd> fds);
  // In the order in which they came.
  [[nodiscard]] const std::vector<std::pair<std::string, UniqueFd>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, UniqueFd>> all_;
};

}  // namespace hush::keeper
