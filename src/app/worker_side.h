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

class WorkerSide {
 public:
  using MakeBackend = std::function<std::unique_ptr<Backend>(DType compute)>;

  /// `file` is null on ranks that never lead. What is passed must outlive the run.
  WorkerSide(const Prepared& prepared, store::ResultFile* file, PassOptions options, MakeBackend make_backend);

  WorkerCalls calls();

 private:
  void open(int model, Team& team);
  Answer run(const Order& order, std::span<const std::byte> payload, Team& team);
  Answer run_extract(const Unit& unit, const Order& order);
  Answer run_evaluate(const Unit& unit, const Order& order, std::span<const std::byte> payload);

  const Prepared& prepared_;
  store::ResultFile* file_;
  PassOptions options_;
  MakeBackend make_backend_;
  std::optional<LoadedModel> model_;
};

}  // namespace steergrid
