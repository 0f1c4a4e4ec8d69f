// What `steergrid bench` measures: loading a model, extraction and a layer x coefficient grid, on made-up prompts, by
// the same code that units run. One process, one device, no result file. Every figure is of this run; nothing is
// estimated.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/layers.h"
#include "kernels/backend.h"
#include "plan/cost.h"

namespace steergrid {

struct BenchOptions {
  std::string model = "random:llama-2-7b";
  std::optional<DType> dtype;  // nothing: the model's own
  int pairs = 64;
  int questions = 16;
  int tokens = 100;           // of a prompt, at least; one more where words do not come out even
  std::int64_t rows = 16384;  // in flight in one pass
  int repeats = 3;            // of each phase
  bool streamed = false;      // weights come again for each pass, two blocks at a time
  bool cold = false;          // the checkpoint's files leave the page cache before each repeat
  std::int64_t memory =
      std::numeric_limits<std::int64_t>::max();  // bytes that it may fill: fewer rows a chunk if need be
};

/// A phase that was run several times, the fastest first, and the FLOPs that are necessary for it once (plan/cost.h).
struct BenchPhase {
  struct Run {
    double seconds = 0;    // wall time
    LayerTraffic traffic;  // zeros where weights are resident
  };
  std::vector<Run> runs;
  double flops = 0;
  const Run& median() const { return runs[runs.size() / 2]; }  // of an even number the slower of two
  double tflops() const { return flops / median().seconds / 1e12; }
};

struct BenchResult {
  std::string model;  // a synthetic one written out in full
  std::string identity;
  bool synthetic = false;
  DType dtype = DType::Float32;
  std::string backend, architecture, gemm;
  int layers = 0, coefficients = 0;
  std::int64_t cells = 0;    // layers x coefficients, for each question
  double prompt_tokens = 0;  // mean of the questions
  double load_seconds = 0;   // until the backend holds all weights
  double weight_bytes = 0;   // as the backend keeps them
  BenchPhase extract, grid;
  double naive_flops = 0;    // of the grid, one full forward a question, layer and coefficient
  double planned_bytes = 0;  // what `plan` says of this model and pass, on a GPU without the CUDA context
  double peak_bytes = 0;     // Backend::peak_bytes
};

/// `make_backend` is called once. Throws Error for a model that cannot be loaded, and whatever its units throw.
BenchResult bench(const BenchOptions& options, const std::function<std::unique_ptr<Backend>(DType)>& make_backend);

}  // namespace steergrid
