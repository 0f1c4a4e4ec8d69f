// What a good spec means. What is said about bad ones: spec_errors_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec/sweep_spec.h"
#include "spec_folder.h"

namespace steergrid {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kFull = R"(
name: refusal-scaling
output: results/refusal.h5
seed: -9223372036854775808
models:
  - name: tiny
    path: model
  - name: big.one_2
    path: ./model/../model
    dtype: bfloat16
    residual: model
    partials: bfloat16
    tensor_parallel: 8
    format: caa-base
    weights: streamed
    layers: 10-20
    coefficients: { values: [0.5], unit: residual_norm }
    runs: [refusal-everywhere, refusal]
behaviors:
  - name: refusal
    pairs: { file: pairs.json, limit: 2 }
    questions: questions.json
  - name: only-vectors
    pairs: pairs.json
runs:
  - name: refusal-everywhere
    vectors: refusal
    questions: { file: questions.json, limit: 99 }
    positions: all
    layers: [5, 3]
    coefficients: [3, -3]
layers: 30%-50%
coefficients: [-2, -1.5, 0, +1e1, .5]
method: { name: caa, normalize: { over: [only-vectors, refusal] } }
positions: instruction_end
store: { activations: float16 }
units: { pairs: 32, questions: 7 }
)";

TEST(Spec, KeepsWhatTheTopLevelSays) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(kFull);
  EXPECT_EQ(spec.name, "refusal-scaling");
  EXPECT_EQ(spec.text, kFull);
  EXPECT_EQ(spec.file, folder / "sweep.yaml");
  EXPECT_EQ(spec.output, folder / "results/refusal.h5");
  EXPECT_EQ(spec.seed, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(spec.layers.kind, LayerSelection::Kind::Depth);
  EXPECT_THAT(spec.coefficients.values, ElementsAre(-2, -1.5, 0, 10, 0.5));
  EXPECT_EQ(spec.coefficients.unit, CoefficientUnit::Multiplier);
  EXPECT_EQ(spec.activations, ActivationStore::Float16);
  EXPECT_EQ(spec.units.pairs, 32);
  EXPECT_EQ(spec.units.questions, 7);
  EXPECT_EQ(spec.method.normalize, Method::Normalize::Behaviors);
  EXPECT_THAT(spec.method.over, ElementsAre(0, 1));
}

TEST(Spec, KeepsWhatEachModelSays) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(kFull);
  ASSERT_EQ(spec.models.size(), 2u);
  const ModelSpec& plain = spec.models[0];
  EXPECT_EQ(plain.path, folder / "model");
  EXPECT_EQ(plain.dtype, std::nullopt);
  EXPECT_FALSE(plain.residual_in_model_dtype);
  EXPECT_EQ(plain.partials, DType::Float32);
  EXPECT_EQ(plain.tensor_parallel, std::nullopt);
  EXPECT_EQ(plain.format, PromptFormat::CaaLlama2Chat);
  EXPECT_EQ(plain.weights, WeightsIn::Auto);
  EXPECT_FALSE(plain.layers || plain.coefficients || plain.runs);
  const ModelSpec& full = spec.models[1];
  EXPECT_EQ(full.path, folder / "model");
  EXPECT_EQ(full.dtype, DType::BFloat16);
  EXPECT_TRUE(full.residual_in_model_dtype);
  EXPECT_EQ(full.partials, DType::BFloat16);
  EXPECT_EQ(full.tensor_parallel, 8);
  EXPECT_EQ(full.tensor_parallel_mark.line, 13);
  EXPECT_EQ(full.format, PromptFormat::CaaBase);
  EXPECT_EQ(full.weights, WeightsIn::Stream);
  EXPECT_EQ(full.layers->mark.text(), (folder / "sweep.yaml") + ":16:13: models[1].layers");
  EXPECT_EQ(full.coefficients->unit, CoefficientUnit::ResidualNorm);
  EXPECT_THAT(*full.runs, ElementsAre("refusal-everywhere", "refusal"));
}

TEST(Spec, MakesOneVectorSourceAndOneRunOfABehavior) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(kFull);
  ASSERT_EQ(spec.vectors.size(), 2u);
  EXPECT_EQ(spec.vectors[0].name, "refusal");
  EXPECT_EQ(spec.vectors[0].pairs.items.size(), 2u);
  EXPECT_EQ(spec.vectors[0].pairs.path, folder / "pairs.json");
  EXPECT_EQ(spec.vectors[1].pairs.items.size(), 5u);
  EXPECT_EQ(spec.vectors[0].pairs.identity, spec.vectors[1].pairs.identity);
  ASSERT_EQ(spec.runs.size(), 2u);
  EXPECT_EQ(spec.runs[0].name, "refusal");
  EXPECT_EQ(spec.runs[0].vectors, 0);
  EXPECT_EQ(spec.runs[0].questions.items.size(), 3u);
}

TEST(Spec, AddsTheRunsOfItsOwnList) {
  const SpecFolder folder;
  const RunSpec run = folder.read(kFull).runs[1];
  EXPECT_EQ(run.name, "refusal-everywhere");
  EXPECT_EQ(run.vectors, 0);
  EXPECT_EQ(run.questions.items.size(), 3u);  // a limit above the file's items is no problem
  EXPECT_EQ(run.positions, Positions::All);
  EXPECT_THAT(run.layers->list, ElementsAre(5, 3));
  EXPECT_THAT(run.coefficients->values, ElementsAre(3, -3));
}

TEST(Spec, HasDefaultsForAllButNameOutputModelsBehaviorsAndCoefficients) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(good_spec());
  EXPECT_EQ(spec.seed, 0);
  EXPECT_EQ(spec.layers.kind, LayerSelection::Kind::All);
  EXPECT_EQ(spec.method.normalize, Method::Normalize::Behaviors);
  EXPECT_THAT(spec.method.over, ElementsAre(0));
  EXPECT_EQ(spec.positions, Positions::InstructionEnd);
  EXPECT_EQ(spec.activations, ActivationStore::None);
  EXPECT_EQ(spec.units.pairs, 64);
  EXPECT_EQ(spec.units.questions, 10);
}

TEST(Spec, GivesTheTopLevelsPositionsToEveryRun) {
  const SpecFolder folder;
  EXPECT_EQ(folder.read(good_spec("positions: all")).runs[0].positions, Positions::All);
}

TEST(Spec, GivesTheSweepsUnitToCoefficientsOfModelsAndRunsThatNameNone) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(R"(name: small
output: small.h5
runs:
  - { name: listed, vectors: refusal, questions: questions.json, coefficients: [-1, 1] }
  - { name: own, vectors: refusal, questions: questions.json, coefficients: { values: [2], unit: multiplier } }
models:
  - { name: a, path: model, coefficients: { values: [3] } }
behaviors:
  - { name: refusal, pairs: pairs.json }
coefficients: { values: [-1, 0, 1], unit: residual_norm }
)");
  EXPECT_EQ(spec.runs[0].coefficients->unit, CoefficientUnit::ResidualNorm);
  EXPECT_EQ(spec.runs[1].coefficients->unit, CoefficientUnit::Multiplier);
  EXPECT_EQ(spec.models[0].coefficients->unit, CoefficientUnit::ResidualNorm);
}

TEST(Spec, NormalizesOverNothingWhereToldSo) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(good_spec("method: { normalize: none }"));
  EXPECT_EQ(spec.method.normalize, Method::Normalize::None);
  EXPECT_TRUE(spec.method.over.empty());
}

TEST(Spec, NeedsNoCoefficientsWhereNothingIsEvaluated) {
  const SpecFolder folder;
  const SweepSpec spec = folder.read(
      "{name: a, output: o.h5, models: [{name: m, path: model}], behaviors: [{name: b, pairs: pairs.json}]}");
  EXPECT_TRUE(spec.runs.empty());
}

TEST(Spec, ReadsAnchorsAndAliases) {
  const SpecFolder folder;
  const SweepSpec spec =
      folder.read(good_spec("runs:\n  - { name: a, vectors: refusal, questions: questions.json, "
                            "layers: &l [1, 2] }\n  - { name: b, vectors: refusal, questions: "
                            "questions.json, layers: *l }\n"));
  EXPECT_THAT(spec.runs[2].layers->list, ElementsAre(1, 2));
}

TEST(Spec, TakesAbsolutePathsAsTheyAre) {
  const SpecFolder folder;
  const SpecFolder elsewhere;
  const std::string text = "{name: a, output: /results/o.h5, models: [{name: m, path: " + (elsewhere / "model") +
                           "}], behaviors: [{name: b, pairs: " + (elsewhere / "pairs.json") + "}]}";
  const SweepSpec spec = folder.read(text);
  EXPECT_EQ(spec.output, "/results/o.h5");
  EXPECT_EQ(spec.models[0].path, elsewhere / "model");
  EXPECT_EQ(spec.vectors[0].pairs.path, elsewhere / "pairs.json");
}

TEST(Spec, TakesTildeForTheHomeFolder) {
  const SpecFolder folder;
  std::string text = good_spec();
  text.replace(text.find("path: model"), 11, "path: ~/model");
  const char* before = std::getenv("HOME");
  const std::string home = before == nullptr ? "" : before;
  ::setenv("HOME", folder.path().c_str(), 1);
  EXPECT_EQ(folder.read(text).models[0].path, folder / "model");
  ::unsetenv("HOME");
  EXPECT_THAT(folder.complaint(text), HasSubstr("found '~/model', but HOME names no folder"));
  if (before != nullptr) ::setenv("HOME", home.c_str(), 1);
}

TEST(Spec, NamesItsOutputEvenWhereItsOtherPartsAreWrong) {
  const SpecFolder folder;
  folder.write("sweep.yaml", "models: none\noutput: results/o.h5\n");
  EXPECT_EQ(output_of(folder / "sweep.yaml"), folder / "results/o.h5");
  folder.write("sweep.yaml", "models: none\n");
  EXPECT_EQ(output_of(folder / "sweep.yaml"), std::nullopt);
}

TEST(Spec, TakesMinusZeroForZero) {
  const SpecFolder folder;
  std::string text = good_spec();
  text.replace(text.find("[-1, 0, 1]"), 10, "[-0.0, 1]");
  EXPECT_FALSE(std::signbit(folder.read(text).coefficients.values[0]));
}

}  // namespace
}  // namespace steergrid
