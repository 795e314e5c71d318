// A QEMU plugin that counts what the emulated machine executes: for each translated block how often it was
// entered. Programs in the machine mark a window with two instructions that do nothing
// (tools/bench/marker.hpp); at its end the window's counts are appended to a file:
//     window NUMBER
//     VIRTUAL-ADDRESS MEMORY-ADDRESS INSTRUCTIONS ENTRIES      (the first two in hex; blocks that did not run
//     are left out)
// An end without a begin gives all since the machine was switched on. What the counts mean is found out
// afterwards, from the symbols (tools/bench/bench/profile.py). Under -icount a plugin changes no figure: only
// real time passes slower.
#include <cstdio>
#include <cstring>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "tools/bench/marker.hpp"
#include "tools/bench/plugin/qemu_api.hpp"

int qemu_plugin_version = 1;

namespace {

// The same code at the same place: one counter, however often qemu translates it anew.
struct Block {
  std::uint64_t vaddr;
  std::uint64_t haddr;
  std::size_t instructions;
  friend bool operator==(const Block&, const Block&) = default;
};

struct BlockHash {
  std::size_t operator()(const Block& block) const {
    return (block.vaddr ^ (block.haddr * 0x9e3779b97f4a7c15U)) + block.instructions;
  }
};

struct Count {
  std::uint64_t entries = 0;   // the emulated code adds to it
  std::uint64_t at_begin = 0;  // what it was when the window began
};

// thread=single: one thread translates, runs and calls back, so nothing here is locked.
std::unordered_map<Block, Count, BlockHash> counts;  // its nodes do not move
std::FILE* output = nullptr;
unsigned windows = 0;

void begin_window(unsigned, void*) {
  for (auto& [block, count] : counts) count.at_begin = count.entries;
}

void end_window(unsigned, void*) {
  std::fprintf(output, "window %u\n", windows++);
  for (const auto& [block, count] : counts) {
    const std::uint64_t entries = count.entries - count.at_begin;
    if (entries == 0) continue;
    std::fprintf(output, "%lx %lx %zu %lu\n", block.vaddr, block.haddr, block.instructions, entries);
  }
  std::fflush(output);
}

bool is(const qemu_plugin_insn* instruction, const hush::bench::Marker& marker) {
  return qemu_plugin_insn_size(instruction) == marker.size() &&
         std::memcmp(qemu_plugin_insn_data(instruction), marker.data(), marker.size()) == 0;
}

void translated(qemu_plugin_id_t, qemu_plugin_tb* tb) {
  const std::size_t size = qemu_plugin_tb_n_insns(tb);
  const auto haddr = reinterpret_cast<std::uintptr_t>(qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0)));
  Count& count = counts[{qemu_plugin_tb_vaddr(tb), haddr, size}];
  qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &count.entries, 1);
  for (std::size_t i = 0; i < size; ++i) {
    qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(tb, i);
    if (is(instruction, hush::bench::kBeginWindow))
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, begin_window, QEMU_PLUGIN_CB_NO_REGS, nullptr);
    else if (is(instruction, hush::bench::kEndWindow))
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, end_window, QEMU_PLUGIN_CB_NO_REGS, nullptr);
  }
}

}  // namespace

// Its one argument: out=FILE.
int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t*, int argc, char** argv) {
  constexpr std::string_view kOut = "out=";
  if (argc != 1 || !std::string_view(argv[0]).starts_with(kOut)) {
    std::fprintf(stderr, "hush_counter: its argument is out=FILE\n");
    return 1;
  }
  output = std::fopen(argv[0] + kOut.size(), "w");
  if (output == nullptr) {
    std::perror(argv[0]);
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
