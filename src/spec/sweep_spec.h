// The sweep as the user wrote it, checked and with its data sets read: the result of `read_spec`.
//
// Nothing here depends on a model's shape (layers stay selections) or on the machine (`auto` stays auto). Marks keep
// the place in the file, so that later checks (a layer outside the model) can still say file:line:column.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/model_shape.h"
#include "base/prompt_format.h"

namespace steergrid {

/// A place in the spec: "file:line:column: key.path".
struct Mark {
  std::string file;
  int line = 0;
  int column = 0;
  std::string key;
  std::string text() const;  // "file:line:column: key.path"; "key.path" alone where there is no file
};

/// all | list | "a-b" | "a-b/step" | "30%-50%", as written; see `resolve_layers`.
struct LayerSelection {
  enum class Kind : std::uint8_t { All, List, Range, Depth } kind = Kind::All;
  std::vector<int> list;
  int first = 0, last = 0, step = 1;       // Range, inclusive
  double depth_first = 0, depth_last = 1;  // Depth: (L+1)/N within [first, last]
  Mark mark;
};

enum class CoefficientUnit : std::uint8_t { Multiplier, ResidualNorm };

struct Coefficients {
  std::vector<double> values;  // the user's order, no duplicates, all finite
  CoefficientUnit unit = CoefficientUnit::Multiplier;
};

/// Where a model's blocks lie during a run: all in memory, or read again each pass. It changes no result.
enum class WeightsIn : std::uint8_t { Auto, Memory, Stream };

enum class Positions : std::uint8_t { InstructionEnd, All };
enum class ActivationStore : std::uint8_t { None, Float16, Float32 };

/// The names used in specs, result files and messages.
std::string_view name_of(CoefficientUnit unit);
std::string_view name_of(Positions positions);
std::string_view name_of(ActivationStore store);

/// One A/B item of a CAA data set. Letters are 'A'..'Z', taken from "(X)".
struct AbItem {
  std::string question;
  std::string matching_text;  // the whole answer field, e.g. "(A)"
  std::string other_text;
  char matching = 'A';
  char other = 'B';
};

struct DataSet {
  std::string path;      // as found, absolute
  std::string identity;  // content identity of the file
  std::vector<AbItem> items;
  Mark mark;                 // the key that names it
  std::optional<int> limit;  // as asked for; the file may hold fewer items
};

struct ModelSpec {
  std::string name;
  std::string path;                      // absolute
  std::optional<DType> dtype;            // nullopt: auto, the checkpoint's
  bool residual_in_model_dtype = false;  // residual: float32 | model
  std::optional<int> tensor_parallel;    // nullopt: auto
  DType partials = DType::Float32;       // what ranks of a team exchange: float32 | bfloat16
  WeightsIn weights = WeightsIn::Auto;   // weights: auto (by what fits) | resident | streamed
  PromptFormat format = PromptFormat::CaaLlama2Chat;
  std::optional<LayerSelection> layers;          // over the top level's
  std::optional<Coefficients> coefficients;      // over the top level's
  std::optional<std::vector<std::string>> runs;  // names of the sweep's runs this model takes part in; all if absent
  Mark mark, tensor_parallel_mark, partials_mark;
};

/// A vector source V: a behavior's contrast pairs.
struct VectorSource {
  std::string name;
  DataSet pairs;
  Mark mark;
};

/// A run R: one evaluation of a vector source on questions.
struct RunSpec {
  std::string name;
  int vectors = 0;  // index into SweepSpec::vectors
  DataSet questions;
  Positions positions = Positions::InstructionEnd;
  std::optional<LayerSelection> layers;  // over the model's and the top level's
  std::optional<Coefficients> coefficients;
  Mark mark;
};

struct Method {
  enum class Normalize : std::uint8_t { None, Behaviors } normalize = Normalize::Behaviors;
  std::vector<int> over;  // with Behaviors: indices into SweepSpec::vectors whose norms are averaged; read_spec fills
                          // in all of them where the spec names none
};

/// How many items a unit holds: part of the plan, so of the result's identity; never derived from the machine.
struct UnitSizes {
  int pairs = 64;
  int questions = 10;
};

struct SweepSpec {
  std::string file;  // absolute path of the spec
  std::string text;  // its bytes
  std::string name;
  std::string output;  // absolute
  std::int64_t seed = 0;
  std::vector<ModelSpec> models;
  std::vector<VectorSource> vectors;
  std::vector<RunSpec> runs;
  LayerSelection layers;
  Coefficients coefficients;
  Method method;
  Positions positions = Positions::InstructionEnd;
  ActivationStore activations = ActivationStore::None;
  UnitSizes units;
};

class SpecProblems;

/// Looks at a model whose folder is there, with the spec as far as it could be read (data sets may be empty, references
/// missing): adds what is wrong to the problems and gives the model's shape. What it throws (Error) is one more problem
/// of the model.
using ModelInspector = std::function<ModelShape(const SweepSpec&, const ModelSpec&, SpecProblems&)>;

/// Reads and checks a spec and the data sets it names. All problems found are reported in one Error (bad input), one a
/// line, in the file's order: "file:line:column: key.path: expected ..., found ...; did you mean 'x'?". The spec is
/// untrusted: at most 1 MB, and aliases cannot blow it up. Reads nothing of a checkpoint itself but whether its folder
/// exists.
/// With `inspect`, layers and tensor-parallel degrees are held against the models too.
SweepSpec read_spec(const std::string& file, const ModelInspector& inspect = {});

/// The output that a spec names, or nothing where it names none that can be read; its other parts are not looked at.
/// Throws Error if the file is no YAML, or its output no path.
std::optional<std::string> output_of(const std::string& spec_file);

/// The layers a selection means for a model, ascending, no duplicates. Throws Error (with the mark) if one lies
/// outside or none is selected.
std::vector<int> resolve_layers(const LayerSelection& selection, int n_layers);

}  // namespace steergrid
