#include "tools/hushctl/rates.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "tools/hushctl/table.hpp"

namespace hush::hushctl {
namespace {

using nlohmann::json;

constexpr const char* kDirections[] = {"guest_tx", "guest_rx"};

// Counters only grow; one that is smaller is of a vif that was made again, and starts at 0.
double rate_of(double before, double after, double seconds) {
  return (after >= before ? after - before : after) / seconds;
}

double total(const json& drops) {
  double sum = 0;
  for (const auto& count : drops) sum += count.is_number() ? count.get<double>() : 0;
  return sum;
}

json rates_of(const json& before, const json& after, double seconds) {
  json line{{"vif", after.value("vif", "")}};
  for (const char* direction : kDirections) {
    const json then = before.value(direction, json::object()), now = after.value(direction, json::object());
    line[direction] = json::object();
    for (const auto& [name, count] : now.items())
      if (count.is_number())
        line[direction][name] = rate_of(then.value(name, 0.0), count.get<double>(), seconds);
    const auto drops = [&](const json& of) {
      return total(of.value("drops", json::object()).value(direction, json::object()));
    };
    line["drops"][direction] = rate_of(drops(before), drops(after), seconds);
  }
  return line;
}

std::string shown(const json& rate) {
  return rate.is_number() ? std::to_string(std::llround(rate.get<double>())) : "-";
}

}  // namespace

json rates(const json& before, const json& after, double seconds) {
  json lines = json::array();
  for (const auto& now : after)
    for (const auto& then : before)
      if (then.value("vif", "") == now.value("vif", "")) lines.push_back(rates_of(then, now, seconds));
  return lines;
}

void print_rates(std::ostream& out, const json& rates) {
  std::vector<std::vector<std::string>> rows{
      {"VIF", "a second", "packets", "bytes", "batches", "copies", "notifies", "saved", "events", "drops"}};
  for (const auto& vif : rates)
    for (const char* direction : kDirections) {
      std::vector<std::string> row{vif.value("vif", ""), direction};
      for (const char* name :
           {"packets", "bytes", "batches", "copies", "notifies_sent", "notifies_saved", "events"})
        row.push_back(shown(vif.value(direction, json::object()).value(name, json())));
      row.push_back(shown(vif.value("drops", json::object()).value(direction, json())));
      rows.push_back(row);
    }
  print_table(out, rows);
}

}  // namespace hush::hushctl
