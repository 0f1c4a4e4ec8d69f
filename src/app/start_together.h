// What all ranks of a launch agree on before anything runs: one plan, one output. Rank 0 looks first and tells the
// others; a mistake is said once, and ends every rank with the same code.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/prepare.h"
#include "comm/team.h"

namespace steergrid {

/// Runs `step` on rank 0 and gives its bytes to everybody. If it throws an Error, every rank throws one of the same
/// code; only rank 0's has the sentence. Collective.
std::vector<std::byte> by_rank_0(Team& everybody, const std::function<std::vector<std::byte>()>& step);

/// Runs `step` everywhere; if it throws anywhere, every rank throws an Error of the same code; only the lowest rank
/// that it happened to has the sentence, with that rank and its host. Collective.
void by_all(Team& everybody, const std::function<void()>& step);

/// The plan of `spec_file`, the same on every rank (checked by its fingerprint and the models'), its items tokenized
/// once to see that they can be. What `auto` means is decided by rank 0, or read from the output if that exists; with
/// `full_hash` rank 0 alone reads whole checkpoints. Collective.
Prepared prepare_together(Team& everybody, const std::string& spec_file, bool full_hash, const GpuChoice& gpus);

}  // namespace steergrid
