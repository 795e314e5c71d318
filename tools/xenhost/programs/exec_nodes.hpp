// The nodes by which Dom0 has a command run in a guest, below /local/domain/<guest>/data:
//   exec/ID         written by Dom0: the command, for sh. Removed by the guest when it begins.
//   done/ID/0, 1..  written by the guest: what the command said on stdout and stderr, in pieces, the last
//   kMostOutput bytes of it done/ID/status  in the same transaction: its exit status, and how many pieces
//   there are. Dom0 removes done/ID. agent           written by the guest: "ready" once it takes commands
// In a guest the same paths are relative to its own home.
#pragma once
#include <cstddef>
#include <string>

namespace hush::xenhost {

// A node holds 2048 bytes.
inline constexpr std::size_t kMostCommand = 2040;
inline constexpr std::size_t kPiece = 2000;
inline constexpr std::size_t kMostOutput = 131072;
inline constexpr int kNotRun = 125;  // hush-exec's own status where it has no status of the command

inline const std::string kExec = "data/exec";
inline const std::string kDone = "data/done";
inline const std::string kAgent = "data/agent";
inline const std::string kReady = "ready";

}  // namespace hush::xenhost
