#include "common/event/irq_affinity.hpp"

#include <fstream>
#include <system_error>

namespace hush::event {

unsigned keep_interrupts_on(unsigned cpu, const std::string& opener, const std::filesystem::path& irqs) {
  const std::string wanted = std::to_string(cpu);
  unsigned moved = 0;
  std::error_code none_there;
  for (const auto& irq : std::filesystem::directory_iterator(irqs, none_there)) {
    std::error_code ended_meanwhile;
    if (!std::filesystem::exists(irq.path() / ("evtchn:" + opener), ended_meanwhile)) continue;
    const auto list = irq.path() / "smp_affinity_list";
    std::string now;
    std::ifstream(list) >> now;
    if (now == wanted) continue;
    std::ofstream out(list);
    if (out << wanted << std::flush) ++moved;
  }
  return moved;
}

}  // namespace hush::event
