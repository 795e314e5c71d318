// The few functions of QEMU's plugin interface that the counter uses, declared by us: Debian ships the
// interface with no header. Interface version 1, as in QEMU 4.2 to 8.x; the functions live in the qemu
// program that loads the plugin.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {

struct qemu_plugin_tb;    // a translated block: instructions that run one after the other
struct qemu_plugin_insn;  // one of its instructions
struct qemu_info_t;       // what qemu says of itself; not looked at

using qemu_plugin_id_t = std::uint64_t;
using qemu_plugin_vcpu_tb_trans_cb_t = void (*)(qemu_plugin_id_t, qemu_plugin_tb*);
using qemu_plugin_vcpu_udata_cb_t = void (*)(unsigned int vcpu, void* userdata);
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

// Called for each block that is translated, before it runs.
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, qemu_plugin_vcpu_tb_trans_cb_t);
// Has the block add `amount` to *counter each time it is entered; not atomic, so for thread=single only.
void qemu_plugin_register_vcpu_tb_exec_inline(qemu_plugin_tb*, qemu_plugin_op, void* counter,
                                              std::uint64_t amount);
// Has the instruction call back each time, just before it runs.
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, qemu_plugin_vcpu_udata_cb_t,
                                            qemu_plugin_cb_flags, void* userdata);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
std::uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, std::size_t index);
const void* qemu_plugin_insn_data(const qemu_plugin_insn*);
std::size_t qemu_plugin_insn_size(const qemu_plugin_insn*);
// Where in qemu's own memory the instruction's bytes are: the machine's physical address plus a constant.
void* qemu_plugin_insn_haddr(const qemu_plugin_insn*);

// What a plugin defines for qemu.
extern __attribute__((visibility("default"))) int qemu_plugin_version;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t, const qemu_info_t*, int argc,
                                                               char** argv);
}
