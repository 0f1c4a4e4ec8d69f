// What a worker does with an order: loads the stage's model, runs the unit, writes or sends its rows. The farm calls it
// through `calls()`; it in turn calls steer and store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "app/prepare.h"
#include "farm/worker.h"
#include "steer/evaluate.h"
#include "steer/loaded_model.h"
#include "store/result_file.h"

namespace steergrid {

/// How units are computed; none of it changes a bit of a result.
struct WorkOptions {
  std::int64_t rows = 0;    // in one pass at most; 0: the usual, or as many as memory holds where weights stream
  bool naive = false;       // see PassOptions
  std::int64_t memory = 0;  // bytes that this worker may fill
  bool on_gpu = false;      // of a GPU, or of its host
};

class WorkerSide {
 public:
  using MakeBackend = std::function<std::unique_ptr<Backend>(DType compute)>;

  /// `file` is null on ranks that never lead. What is passed must outlive the run.
  WorkerSide(const Prepared& prepared, store::ResultFile* file, const WorkOptions& options, MakeBackend make_backend);

  WorkerCalls calls();

 private:
  void open(int model, Team& team);
  void close(int model);
  std::vector<Answer> run(std::span<const Task> tasks);
  void extract_all(std::span<const Task> tasks, std::vector<Answer>& answers);
  void evaluate_all(std::span<const Task> tasks, std::vector<Answer>& answers);
  Answer answer_of(int unit, ExtractResult result) const;
  Answer answer_of(int unit, EvaluateResult result, bool steered) const;
  ExtractTask extract_task(const Unit& unit) const;
  EvaluateTask evaluate_task(const Unit& unit, const AddedVectors* added) const;
  AddedVectors vectors_for(const Unit& unit, std::span<const std::byte> payload) const;
  bool settle_memory(const ModelFacts& facts, const ModelSpec& spec, Team& team);
  int units_in(int model, std::int64_t rows) const;
  const Unit& unit_of(const Task& task) const {
    return prepared_.plan.units[static_cast<std::size_t>(task.order.unit)];
  }
  const ModelPlan& plan_of(int model) const { return prepared_.plan.models[static_cast<std::size_t>(model)]; }

  const Prepared& prepared_;
  store::ResultFile* file_;
  WorkOptions options_;
  MakeBackend make_backend_;
  std::optional<LoadedModel> model_;
  PassOptions pass_;  // for the open model
  int at_once_ = 1;   // units of it
};

}  // namespace steergrid
