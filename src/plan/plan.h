// The plan: what a sweep consists of, as a pure function of the spec and the models' shapes. Every rank expands the
// same Plan; a unit is an index into `units`, and only indices travel. Which units exist, and in which order, never
// depends on how many ranks there are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/model_shape.h"
#include "spec/sweep_spec.h"

namespace steergrid {

/// What was resolved once, when the result file was created, for each model of the spec.
struct ModelFacts {
  ModelShape shape;
  DType dtype = DType::Float32;  // of weights and GEMM inputs
  int tensor_parallel = 1;
  std::string identity;    // of the checkpoint
  bool synthetic = false;  // weights that nobody trained: what it answers means nothing
};

enum class UnitKind : std::uint8_t { Extract = 0, Vectors = 1, Evaluate = 2 };
std::string_view name_of(UnitKind kind);

/// What a team runs at once (Extract, Evaluate), or the coordinator alone (Vectors: mean and scale of one source).
struct Unit {
  UnitKind kind = UnitKind::Extract;
  int model = 0;
  int target = 0;  // index into ModelPlan::vectors (Extract, Vectors) or ModelPlan::runs (Evaluate)
  int first = 0;   // first item: pair or question
  int count = 0;
  std::uint64_t content = 0;  // content identity: model, items, layers, coefficients, method
};

/// A vector source as one model extracts it: vectors for all of the model's layers.
struct VectorPlan {
  int source = 0;  // index into SweepSpec::vectors
  int items = 0;
  std::vector<int> blocks;  // unit ids of its Extract units, in block order
  int unit = -1;            // its Vectors unit
};

/// A run as one model evaluates it.
struct RunPlan {
  int run = 0;      // index into SweepSpec::runs
  int vectors = 0;  // index into ModelPlan::vectors
  int items = 0;
  std::vector<int> layers;
  Coefficients coefficients;
  std::vector<char> letters;  // sorted union of A, B and every letter of the questions
  std::vector<int> blocks;    // unit ids
};

struct ModelPlan {
  int model = 0;  // index into SweepSpec::models
  ModelFacts facts;
  std::vector<VectorPlan> vectors;
  std::vector<RunPlan> runs;
  std::vector<int> normalize_over;  // indices into `vectors`; empty: no normalization
};

struct Plan {
  std::vector<ModelPlan> models;
  std::vector<Unit> units;        // model by model: its Extract units, its Vectors units, its Evaluate units
  std::uint64_t fingerprint = 0;  // of all that decides the results; not of paths, comments, key order
};

/// The sources a model extracts, in the spec's order: all of them, unless its `runs` ask for fewer.
std::vector<int> sources_of(const SweepSpec& spec, const ModelSpec& model);

/// The sorted union of A, B and the items' letters: the letter axis of a run.
std::vector<char> letters_of(const std::vector<AbItem>& items);

/// Expands the plan. Throws Error (with the spec's marks, all problems at once) where a selection does not fit a model.
Plan make_plan(const SweepSpec& spec, const std::vector<ModelFacts>& facts);

}  // namespace steergrid
