// Columns for a terminal: each as wide as its widest cell.
#pragma once
#include <ostream>
#include <string>
#include <vector>

namespace hush::hushctl {

// The first row is the heading.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

}  // namespace hush::hushctl
