// What rank 0 does for the farm: records attempts, commits results, makes steering vectors from block sums, shows
// progress. It holds no model.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/prepare.h"
#include "farm/coordinator.h"
#include "steer/vectors.h"
#include "store/result_file.h"

namespace steergrid {

class CoordinatorSide {
 public:
  /// What is passed must outlive the run. `live`: a progress line on the terminal; `logged`: plain lines in the log
  /// too.
  CoordinatorSide(const Prepared& prepared, store::ResultFile& file, bool live, bool logged);

  /// Ends the progress line.
  ~CoordinatorSide();
  CoordinatorSide(const CoordinatorSide&) = delete;
  CoordinatorSide& operator=(const CoordinatorSide&) = delete;

  const CoordinatorCalls& calls() const { return calls_; }

  /// The file's records as the farm sees them. With `retry`, what failed or was blocked is forgotten and runs again.
  std::vector<UnitRecord> records(bool retry);

 private:
  class LiveLine;

  void begin(int unit, std::uint32_t attempt);
  void block(int unit, int because_of);
  void commit(const Finished& done);
  /// A result made from results of another identity bears their mark.
  std::uint32_t inherited_flags(const ModelPlan& plan, const Unit& unit) const;
  void run_vectors(int unit);
  std::vector<std::byte> payload(int vectors_unit);
  void show(const Snapshot& snapshot);
  /// Raw vectors of a source, from its block sums in the file.
  const SteeringVectors& raw(int model, int target);

  const Prepared& prepared_;
  store::ResultFile& file_;
  std::shared_ptr<LiveLine> live_;  // none without a terminal
  bool logged_;
  bool over_ = false;  // the last line has been shown
  double last_line_ = 0;
  std::vector<std::string> names_;
  std::map<std::pair<int, int>, SteeringVectors> raw_;  // by model and target
  CoordinatorCalls calls_;
};

}  // namespace steergrid
