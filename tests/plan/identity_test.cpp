// What a plan's fingerprint and a unit's content identity depend on, and what they do not.
#include "plan/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "made_up_sweep.h"

namespace steergrid {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Change = std::function<void(SweepSpec&, std::vector<ModelFacts>&)>;

struct Made {
  Plan plan;
  std::string text;
};

Made made(const Change& change = [](SweepSpec&, std::vector<ModelFacts>&) {}) {
  SweepSpec spec = made_up_sweep();
  std::vector<ModelFacts> facts = made_up_facts();
  change(spec, facts);
  Plan plan = make_plan(spec, facts);
  std::string text = describe(plan, spec);
  return {std::move(plan), std::move(text)};
}

TEST(PlanFingerprint, IsTheHashOfTheDescription) {
  const Made m = made();
  EXPECT_EQ(m.plan.fingerprint, fingerprint_of(m.text));
}

TEST(PlanFingerprint, IgnoresPathsTextsAndPlacesOfTheSpec) {
  const Made other = made([](SweepSpec& s, std::vector<ModelFacts>&) {
    s.file = "/elsewhere/other.yaml";
    s.text = "# a comment";
    s.output = "/elsewhere/o.h5";
    s.models[0].path = "/elsewhere/model";
    s.vectors[0].pairs.path = "/elsewhere/pairs.json";
    s.vectors[0].pairs.identity = "a file with more items than are used";
    s.layers.mark = {};
    s.models[0].weights = WeightsIn::Stream;  // where weights lie is no part of what they give
  });
  EXPECT_EQ(made().plan.fingerprint, other.plan.fingerprint);
}

TEST(PlanFingerprint, IgnoresHowTheSameLayersAreWritten) {
  const auto with = [](std::string_view layers) {
    return made([&](SweepSpec& s, std::vector<ModelFacts>&) { s.models[0].layers = made_up_layers(layers); });
  };
  EXPECT_EQ(with("all").plan.fingerprint, with("0-3").plan.fingerprint);
  EXPECT_NE(with("all").plan.fingerprint, with("0-2").plan.fingerprint);
}

const std::vector<std::pair<std::string, Change>>& changes() {
  static const std::vector<std::pair<std::string, Change>> all = {
      {"name", [](SweepSpec& s, auto&) { s.name = "other"; }},
      {"seed", [](SweepSpec& s, auto&) { s.seed = 1; }},
      {"store.activations", [](SweepSpec& s, auto&) { s.activations = ActivationStore::Float16; }},
      {"units", [](SweepSpec& s, auto&) { s.units.pairs = 5; }},
      {"units", [](SweepSpec& s, auto&) { s.units.questions = 5; }},
      {"models[small].normalize",
       [](SweepSpec& s, auto&) {
         s.method.over = {0, 1};
       }},
      {"models[small].normalize", [](SweepSpec& s, auto&) { s.method.normalize = Method::Normalize::None; }},
      {"behaviors[myopia].pairs", [](SweepSpec& s, auto&) { s.vectors[1].pairs.items[3].question += "?"; }},
      {"behaviors[myopia].pairs", [](SweepSpec& s, auto&) { s.vectors[1].pairs.items[3].matching_text = "(A) "; }},
      {"behaviors[myopia].pairs", [](SweepSpec& s, auto&) { s.vectors[1].pairs.items.pop_back(); }},
      {"runs[hope].questions", [](SweepSpec& s, auto&) { s.runs[1].questions.items.pop_back(); }},
      {"runs[hope].vectors", [](SweepSpec& s, auto&) { s.runs[1].vectors = 1; }},
      {"runs[hope].positions", [](SweepSpec& s, auto&) { s.runs[1].positions = Positions::All; }},
      {"models[large].identity", [](SweepSpec&, auto& f) { f[1].identity = "other"; }},
      {"models[large].dtype", [](SweepSpec&, auto& f) { f[1].dtype = DType::BFloat16; }},
      {"models[large].tensor_parallel", [](SweepSpec&, auto& f) { f[1].tensor_parallel = 2; }},
      {"models[large].residual", [](SweepSpec& s, auto&) { s.models[1].residual_in_model_dtype = true; }},
      {"models[large].format", [](SweepSpec& s, auto&) { s.models[1].format = PromptFormat::CaaBase; }},
      {"models[large].runs", [](SweepSpec& s, auto&) { s.models[1].runs = {"hope"}; }},
      {"models[large].runs[hope].layers", [](SweepSpec& s, auto&) { s.models[1].layers = made_up_layers("1-3"); }},
      {"models[large].runs[hope].coefficients",
       [](SweepSpec& s, auto&) {
         s.coefficients.values = {-1, 0, 1.5};
       }},
      {"models[large].runs[hope].coefficients",
       [](SweepSpec& s, auto&) {
         s.coefficients.values = {1, 0, -1};
       }},
      {"models[large].runs[hope].coefficients",
       [](SweepSpec& s, auto&) { s.coefficients.unit = CoefficientUnit::ResidualNorm; }},
      {"models", [](SweepSpec& s, auto& f) { std::swap(s.models[0], s.models[1]), std::swap(f[0], f[1]); }},
      {"runs", [](SweepSpec& s, auto&) { std::swap(s.runs[0], s.runs[1]); }},
      {"behaviors", [](SweepSpec& s, auto&) { s.vectors[0].name = "renamed"; }},
  };
  return all;
}

TEST(PlanFingerprint, DependsOnAllThatDecidesTheResultsAndTheDescriptionNamesIt) {
  const Made before = made();
  for (const auto& [key, change] : changes()) {
    const Made now = made(change);
    EXPECT_NE(before.plan.fingerprint, now.plan.fingerprint) << key;
    EXPECT_THAT(differences(before.text, now.text), testing::Contains(testing::StartsWith(key + ":"))) << key;
  }
}

TEST(PlanFingerprint, CountsNarrowPartialsWhereTeamsExchangeThem) {
  const auto with = [](DType partials, int degree) {
    return made([=](SweepSpec& s, auto& f) { s.models[1].partials = partials, f[1].tensor_parallel = degree; });
  };
  const auto print = [](const Made& m) { return m.plan.fingerprint; };
  EXPECT_EQ(print(with(DType::Float32, 1)), print(with(DType::BFloat16, 1)));
  EXPECT_NE(print(with(DType::Float32, 2)), print(with(DType::BFloat16, 2)));
  EXPECT_THAT(with(DType::BFloat16, 2).text, HasSubstr("models[large].partials: bfloat16\n"));
  const Made wide = with(DType::Float32, 2), narrow = with(DType::BFloat16, 2);
  EXPECT_NE(wide.plan.units.back().content, narrow.plan.units.back().content);
}

TEST(PlanDescription, CanBeReadByPeople) {
  const std::string text = made().text;
  EXPECT_THAT(text, HasSubstr("behaviors: refusal, myopia, hope\n"));
  EXPECT_THAT(text, HasSubstr("models[large].runs[hope].layers: 0-9\n"));
  EXPECT_THAT(text, HasSubstr("models[large].runs[hope].coefficients: -1, 0, 1 multiplier\n"));
  EXPECT_THAT(text, HasSubstr("models[small].normalize: over refusal, myopia, hope\n"));
}

TEST(PlanDescription, HasEachKeyOnce) {
  std::istringstream lines(made().text);
  std::set<std::string> keys;
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(keys.insert(line.substr(0, line.find(": "))).second);
}

TEST(Differences, SayWhatChangedWhatIsGoneAndWhatIsNew) {
  EXPECT_THAT(differences("a: 1\nb: 2\nc: 3\n", "a: 1\nb: 4: 5\nd: 6\n"),
              ElementsAre("b: was 2, is now 4: 5", "c: was 3, is gone now", "d: is new, 6"));
  EXPECT_THAT(differences("a: 1\n", "a: 1\n"), IsEmpty());
  EXPECT_THAT(differences("", ""), IsEmpty());
}

/// Ids of the units whose content differs; the plans must have the same units.
std::set<std::pair<UnitKind, int>> changed_units(const Plan& a, const Plan& b, int model) {
  std::set<std::pair<UnitKind, int>> kinds;
  EXPECT_EQ(a.units.size(), b.units.size());
  for (std::size_t i = 0; i < a.units.size(); ++i)
    if (a.units[i].model == model && a.units[i].content != b.units[i].content)
      kinds.insert({a.units[i].kind, a.units[i].target});
  return kinds;
}

TEST(UnitContent, DoesNotDependOnNamesOrOnOtherUnitsItems) {
  const Made renamed = made([](SweepSpec& s, auto&) {
    s.name = "other";
    s.models[0].name = "renamed";
    s.vectors[0].name = "renamed";
    s.runs[1].name = "renamed";
    s.seed = 5;
  });
  EXPECT_THAT(changed_units(made().plan, renamed.plan, 0), IsEmpty());
}

TEST(UnitContent, FollowsAPairIntoAllVectorsThatAreNormalizedWithIt) {
  const auto change = [](SweepSpec& s, auto&) { s.vectors[1].pairs.items[6].question = "changed"; };
  using enum UnitKind;
  EXPECT_THAT(changed_units(made().plan, made(change).plan, 0),
              ElementsAre(std::pair{Extract, 1}, std::pair{Vectors, 0}, std::pair{Vectors, 1}, std::pair{Vectors, 2},
                          std::pair{Evaluate, 0}, std::pair{Evaluate, 1}));
}

TEST(UnitContent, StaysWithTheVectorsItUsesWithoutNormalization) {
  const auto none = [](SweepSpec& s, auto&) { s.method = {Method::Normalize::None, {}}; };
  const auto changed = [&](SweepSpec& s, auto& f) {
    none(s, f);
    s.vectors[0].pairs.items[0].question = "changed";
  };
  using enum UnitKind;
  EXPECT_THAT(changed_units(made(none).plan, made(changed).plan, 0),
              ElementsAre(std::pair{Extract, 0}, std::pair{Vectors, 0}, std::pair{Evaluate, 0}));
}

TEST(UnitContent, ChangesInTheBlockOfAChangedQuestionOnly) {
  const Made before = made();
  const Made now = made([](SweepSpec& s, auto&) { s.runs[0].questions.items[3].question = "changed"; });
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < before.plan.units.size(); ++i)
    if (before.plan.units[i].content != now.plan.units[i].content) changed.push_back(i);
  const auto block = [&](std::size_t m) { return static_cast<std::size_t>(now.plan.models[m].runs[0].blocks[1]); };
  EXPECT_THAT(changed, ElementsAre(block(0), block(1)));
}

TEST(UnitContent, SurvivesAGrowingSweep) {
  const Made before = made();
  const Made grown = made([](SweepSpec& s, std::vector<ModelFacts>& f) {
    s.method.over = {0, 1, 2};
    s.models.push_back(made_up_model("third", 12));
    f.push_back(made_up_facts(6, "id-third"));
    s.runs.push_back(made_up_run("more", 0, 3));
  });
  std::set<std::uint64_t> contents;
  for (const Unit& u : grown.plan.units) contents.insert(u.content);
  for (const Unit& u : before.plan.units) EXPECT_TRUE(contents.contains(u.content));
}

/// A spec of a file and the plan of it.
Plan plan_of_text(const std::string& folder, const std::string& text) {
  std::ofstream(folder + "/sweep.yaml") << text;
  const SweepSpec spec = read_spec(folder + "/sweep.yaml");
  return make_plan(spec, {made_up_facts(4, "id")});
}

TEST(PlanFingerprint, IgnoresCommentsKeyOrderAndSpelling) {
  std::string folder = testing::TempDir() + "steergrid-plan-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::filesystem::create_directory(folder + "/model");
  std::ofstream(folder + "/pairs.json")
      << R"json([{"question": "q", "answer_matching_behavior": "(A)", "answer_not_matching_behavior": "(B)"}])json";
  std::filesystem::copy(folder + "/pairs.json", folder + "/again.json");
  const Plan a = plan_of_text(folder, R"(name: s
output: a.h5
models: [{ name: m, path: model }]
behaviors: [{ name: b, pairs: pairs.json, questions: pairs.json }]
coefficients: [-1, 0.5, 0]
layers: all
)");
  const Plan b = plan_of_text(folder, R"(# the same, said otherwise
units: { questions: 10, pairs: 64 }
layers: "0-3"
coefficients: { unit: multiplier, values: [-1.0, 5e-1, -0.0] }
behaviors:
  - questions: { limit: 7, file: again.json }
    pairs: ./pairs.json
    name: b
models:
  - path: ./model
    name: "m"
    tensor_parallel: auto
output: elsewhere/b.h5
name: s
)");
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.units.back().content, b.units.back().content);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace steergrid
