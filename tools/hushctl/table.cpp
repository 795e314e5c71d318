#include "tools/hushctl/table.hpp"

#include <algorithm>
#include <iomanip>

namespace hush::hushctl {

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i + 1 == row.size())
        out << row[i];
      else
        out << std::left << std::setw(static_cast<int>(widths[i]) + 2) << row[i];
    }
    out << '\n';
  }
}

}  // namespace hush::hushctl
