// The result file of a run, open for writing by rank 0 and all leaders.
//
// Collective over the store communicator: `open` and `close`, nothing else. All writes and reads are independent, one
// contiguous slab, at most 256 MiB a call. The order that never changes: data, fdatasync, then the unit's record, then
// fdatasync; so a record that says "done" speaks of data that is there. Destroying an open file closes nothing (that
// would be collective): after a failure leave with `leave_at_once`, nothing acknowledged is lost.
//
//     leader:  write_activations / write_evaluation, sync, then DONE to rank 0
//     rank 0:  begin -> ... -> [write_block | write_vectors] -> commit;  fail, block
//
// Every write throws Error (exit code 1) naming file, dataset and cause; then nothing is acknowledged.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "plan/plan.h"
#include "store/records.h"
#include "store/rows.h"

namespace steergrid::store {

/// What a finished unit says of itself.
struct Completion {
  std::uint64_t crc = 0;
  std::uint32_t flags = 0;
  std::int64_t started = 0, finished = 0;
  std::uint32_t team = 0, ranks = 1;
};

class ResultFile {
 public:
  /// Opens an existing file of this plan (`check_output` has passed on rank 0). `plan` and `spec` must outlive it.
  /// `mixed_identity`: flag what is committed. `rank_0_writes`: everything, even where leaders could. Collective over
  /// `members`; throws on every member alike where one cannot open the file.
  ResultFile(const std::string& path, const Plan& plan, const SweepSpec& spec, const Communicator& members,
             bool mixed_identity = false, bool rank_0_writes = false);
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  /// Collective over the members given to the constructor. Nothing may be called afterwards.
  void close();

  /// Whether leaders write their rows themselves; else they send `encode(rows)` to rank 0, which writes them.
  bool leaders_write() const;

  // Leader (rank 0 where leaders do not write). Independent.
  void write_activations(int unit, std::span<const float> activations);  // [P, 2, L, D]; converted to the file's dtype
  void write_evaluation(int unit, const EvaluationRows& rows);
  void sync();  // fdatasync: what was written before is durable when it returns; any thread, beside the other calls

  // Rank 0 only. Independent.
  /// Records a launch; its index is in every record written from now on.
  void add_launch(LaunchRecord launch);
  const std::vector<UnitRecord>& records() const;  // as read at open and changed since
  /// Record: absent, with this attempt (also to take an attempt back, or to forget a failure).
  void begin(int unit, std::uint32_t attempt);
  /// Records that the worker of this attempt died.
  void note_death(int unit, std::uint32_t attempt);
  void write_block(int unit, const BlockRows& rows);  // sums only; not durable before `commit`
  void write_vectors(int unit, const VectorRows& rows);
  /// Makes what rank 0 wrote durable, then the record "done", then that durable. When it returns the unit is done.
  void commit(int unit, const Completion& completion);
  void fail(int unit, const std::string& sentence);   // record "failed" with the sentence
  void block(int unit, const std::string& sentence);  // record "blocked" with the sentence

  // Rank 0 only: what an earlier launch or rank 0 itself wrote.
  /// How many ranks the launch had that wrote a unit's record; 0: not known.
  std::uint32_t ranks_of_launch(int unit) const;
  Block read_block(int unit) const;      // without activations
  Vectors read_vectors(int unit) const;  // of a Vectors unit
  Evaluation read_evaluation(int unit) const;

 private:
  struct Open;
  std::unique_ptr<Open> open_;
};

}  // namespace steergrid::store
