// What a user reads about a spec with problems: each line a place, a key path, what was expected and what was found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec_folder.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// good_spec with `from` replaced by `to`.
std::string spec_with(const std::string& from, const std::string& to) {
  std::string text = good_spec();
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

std::string complaint_with(const std::string& from, const std::string& to) {
  return SpecFolder().complaint(spec_with(from, to));
}

std::string complaint_of(std::string_view text) { return SpecFolder().complaint(text); }

long lines_of(const std::string& text) { return text.empty() ? 0 : 1 + std::count(text.begin(), text.end(), '\n'); }

TEST(SpecErrors, SaysWhereAnUnknownKeyStandsAndWhatWasMeant) {
  const std::string text = complaint_with("    path: model", "    path: model\n    dtyp: float16");
  EXPECT_THAT(text, StartsWith("sweep.yaml:6:5: models[0].dtyp: expected a known key (name, path, dtype, "));
  EXPECT_THAT(text, HasSubstr("found 'dtyp'; did you mean 'dtype'?"));
  EXPECT_EQ(lines_of(text), 1);
}

TEST(SpecErrors, DoesNotCallAMisspeltKeyMissingAsWell) {
  const std::string text = complaint_with("    path: model", "    pth: model");
  EXPECT_THAT(text, HasSubstr("did you mean 'path'?"));
  EXPECT_EQ(lines_of(text), 1);
}

TEST(SpecErrors, SaysWhichValueWasMeant) {
  EXPECT_EQ(complaint_with("coefficients:", "positions: intruction_end\ncoefficients:"),
            "sweep.yaml:10:12: positions: expected one of instruction_end, all, found 'intruction_end'; did you mean "
            "'instruction_end'?");
}

TEST(SpecErrors, RefusesPathsWithControlCharacters) {
  const std::string said = " without control characters, found ";
  const std::string output = complaint_with("output: results/small.h5", R"(output: "a\e[31mb\nc.h5")");
  EXPECT_EQ(output, "sweep.yaml:2:9: output: expected the path of the result file" + said + R"('a\x1b[31mb\nc.h5')");
  const std::string pairs = complaint_with("pairs: pairs.json", R"(pairs: "a\nb.json")");
  EXPECT_THAT(pairs, HasSubstr("expected the path of a data set" + said + R"('a\nb.json')"));
  EXPECT_EQ(lines_of(pairs), 1);
  EXPECT_THAT(complaint_with("path: model", R"(path: "model\x7f")"), HasSubstr(said + R"('model\x7f')"));
}

TEST(SpecErrors, RefusesAnOutputThatNoFileSystemTakes) {
  const std::string text = complaint_with("output: ", "output: " + std::string(300, 'x'));
  EXPECT_THAT(text, AllOf(HasSubstr("output: expected a path where a result file can lie"), HasSubstr("too long")));
  EXPECT_EQ(lines_of(text), 1);
}

TEST(SpecErrors, SuggestsNothingForWhatResemblesNothing) {
  EXPECT_THAT(complaint_with("coefficients:", "quux: 1\ncoefficients:"), Not(HasSubstr("did you mean")));
}

TEST(SpecErrors, NamesEveryMissingKey) {
  const std::string text = complaint_of("seed: 1\n");
  for (const char* key : {"name", "output", "models", "behaviors"})
    EXPECT_THAT(text, HasSubstr(std::string("sweep.yaml:1:1: ") + key + ": expected "));
  EXPECT_EQ(lines_of(text), 4);
  EXPECT_EQ(complaint_with("coefficients: [-1, 0, 1]", ""),
            "sweep.yaml:1:1: coefficients: expected a list of coefficients, as [-1, 0, 1], found no such key");
}

TEST(SpecErrors, NamesMissingKeysOfEntries) {
  EXPECT_EQ(complaint_with("    path: model\n", ""),
            "sweep.yaml:4:5: models[0].path: expected the path of a checkpoint folder, found no such key");
  EXPECT_EQ(complaint_with("    pairs: pairs.json\n", ""),
            "sweep.yaml:7:5: behaviors[0].pairs: expected the path of a data set of contrast pairs, found no such key");
}

TEST(SpecErrors, ReportsDuplicateKeys) {
  EXPECT_EQ(complaint_with("    path: model", "    path: model\n    path: model"),
            "sweep.yaml:6:5: models[0].path: expected each key once, found it again (first at line 5)");
}

TEST(SpecErrors, ReportsDuplicateNames) {
  EXPECT_EQ(complaint_with("behaviors:", "  - { name: tiny, path: model }\nbehaviors:"),
            "sweep.yaml:6:13: models[1].name: expected a name that no other model has, found 'tiny' again (first at "
            "line 4)");
  EXPECT_THAT(complaint_with("coefficients:",
                             "runs: [{ name: refusal, vectors: refusal, questions: questions.json }]\n"
                             "coefficients:"),
              HasSubstr("runs[0].name: expected a name that no other run has"));
}

TEST(SpecErrors, RefusesNamesThatAreNoNames) {
  for (const char* name : {"a b", "..", ".", "a/b", "\"\"", "[a]", "réf"})
    EXPECT_THAT(complaint_with("name: small", std::string("name: ") + name),
                StartsWith("sweep.yaml:1:7: name: expected a name of letters"))
        << name;
  EXPECT_NE(complaint_with("name: small", "name: " + std::string(129, 'a')), "");
  EXPECT_EQ(complaint_with("name: small", "name: 7"), "");
}

TEST(SpecErrors, ReportsWrongTypes) {
  EXPECT_EQ(complaint_with("  - name: tiny\n    path: model", "  tiny"),
            "sweep.yaml:4:3: models: expected a list with at least one model, found 'tiny'");
  EXPECT_THAT(complaint_with("  - name: tiny\n    path: model", "  - tiny"),
              StartsWith("sweep.yaml:4:5: models[0]: expected a model (name, path, "));
  EXPECT_THAT(complaint_with("output: results/small.h5", "output: [a]"), HasSubstr("output: expected the path of"));
  EXPECT_THAT(complaint_with("output: results/small.h5", "output:"),
              StartsWith("sweep.yaml:2:1: output: expected the path of the result file, found nothing"));
  EXPECT_THAT(complaint_with("coefficients:", "store: none\ncoefficients:"),
              HasSubstr("store: expected what to store"));
}

TEST(SpecErrors, CutsNoNumberShort) {
  for (const char* seed : {"1.5", "9223372036854775808", "0x10", "1_000", "\"5\"", "1e3", "five", "[1]", "+-1", "1 2"})
    EXPECT_THAT(complaint_with("coefficients:", std::string("seed: ") + seed + "\ncoefficients:"),
                HasSubstr("seed: expected a whole number of at most 64 bits, found"))
        << seed;
  EXPECT_THAT(
      complaint_with("coefficients:", "units: { pairs: 0, questions: 4294967297 }\ncoefficients:"),
      AllOf(HasSubstr("units.pairs: expected a whole number of items"), HasSubstr("units.questions: expected")));
}

TEST(SpecErrors, SaysThatANumberInQuotesIsText) {
  EXPECT_EQ(complaint_with("coefficients:", "seed: \"5\"\ncoefficients:"),
            "sweep.yaml:10:7: seed: expected a whole number of at most 64 bits, found '5' (text, as it stands in "
            "quotes)");
}

TEST(SpecErrors, AsksForFiniteAndDifferentCoefficients) {
  for (const char* bad : {".nan", ".inf", "nan", "-inf", "1e999", "1e39", "two", "~", "[1]", "\"1\""})
    EXPECT_THAT(complaint_with("[-1, 0, 1]", std::string("[1, ") + bad + "]"),
                HasSubstr("coefficients[1]: expected a finite number that float32 can hold"))
        << bad;
  EXPECT_THAT(complaint_with("[-1, 0, 1]", "[1, 1.0]"), HasSubstr("expected each coefficient once, found 1 again"));
  EXPECT_THAT(complaint_with("[-1, 0, 1]", "[0, -0]"), HasSubstr("expected each coefficient once, found 0 again"));
  EXPECT_THAT(complaint_with("[-1, 0, 1]", "[]"), HasSubstr("expected a list of coefficients, as [-1, 0, 1], found an "
                                                            "empty list"));
  EXPECT_THAT(complaint_with("[-1, 0, 1]", "{ values: [1], unit: norm }"),
              HasSubstr("coefficients.unit: expected one of multiplier, residual_norm, found 'norm'; did you mean "
                        "'residual_norm'?"));
}

TEST(SpecErrors, AsksForLayersAsTheyAreWritten) {
  for (const char* bad :
       {"20-10", "0-31/0", "a-b", "50%-30%", "30%-50", "0%-101%", "-1", "1-", "[]", "some", "1-2-3", "0-99999999999"})
    EXPECT_THAT(complaint_with("coefficients:", std::string("layers: ") + bad + "\ncoefficients:"),
                HasSubstr("layers: expected all, a list as [0, 5, 10], 10-20, 0-31/2 or 30%-50%, found"))
        << bad;
  EXPECT_THAT(complaint_with("coefficients:", "layers: [1, -1, 1.5, 1, \"2\"]\ncoefficients:"),
              AllOf(HasSubstr("layers[1]: expected a layer"), HasSubstr("layers[2]: expected a layer"),
                    HasSubstr("layers[3]: expected each layer once, found 1 again"), HasSubstr("layers[4]: expected")));
}

TEST(SpecErrors, KnowsTheDegreesOfTensorParallelism) {
  for (const char* bad : {"3", "16", "0", "two", "-2"})
    EXPECT_THAT(complaint_with("    path: model", std::string("    path: model\n    tensor_parallel: ") + bad),
                HasSubstr("models[0].tensor_parallel: expected one of auto, 1, 2, 4, 8, found"))
        << bad;
}

TEST(SpecErrors, SaysThatMetasOwnLayoutIsNotThereYet) {
  EXPECT_THAT(complaint_with("    path: model", "    path: model\n    format: llama2-chat"),
              AllOf(HasSubstr("kept for Meta's own layout"), HasSubstr("did you mean 'caa-llama2-chat'?")));
}

TEST(SpecErrors, ReportsFilesAndFoldersThatAreMissing) {
  EXPECT_EQ(complaint_with("path: model", "path: modell"),
            "sweep.yaml:5:11: models[0].path: expected a checkpoint folder at 'modell', found none there");
  EXPECT_EQ(complaint_with("path: model", "path: pairs.json"),
            "sweep.yaml:5:11: models[0].path: expected a checkpoint folder at 'pairs.json', found something else");
  EXPECT_EQ(complaint_with("pairs: pairs.json", "pairs: none.json"),
            "sweep.yaml:8:12: behaviors[0].pairs: none.json: expected a file, found none there");
  EXPECT_EQ(complaint_with("pairs: pairs.json", "pairs: { file: model }"),
            "sweep.yaml:8:20: behaviors[0].pairs.file: model: expected a file, found a folder");
}

TEST(SpecErrors, NameALongPathWhole) {
  const std::string path = "folder-of-a-long-name/" + std::string(90, 'x') + "/model";
  EXPECT_THAT(complaint_with("path: model", "path: " + path), HasSubstr(path + "', found none there"));
}

TEST(SpecErrors, SayThatNothingIsDownloaded) {
  EXPECT_THAT(complaint_with("path: model", "path: meta-llama/Llama-2-7b-chat-hf"),
              HasSubstr("download the model first"));
  EXPECT_THAT(complaint_with("path: model", "path: model/none"), Not(HasSubstr("download")));
}

TEST(SpecErrors, SuggestNoMethodForAnotherOne) {
  EXPECT_EQ(complaint_with("coefficients:", "method: { name: pca }\ncoefficients:"),
            "sweep.yaml:10:17: method.name: expected caa, found 'pca'");
}

TEST(SpecErrors, RefusesAnOutputThatCannotBeAFile) {
  EXPECT_THAT(complaint_with("results/small.h5", "model"), HasSubstr("output: expected a file, found the folder"));
  EXPECT_THAT(complaint_with("results/small.h5", "results/"), HasSubstr("output: expected a file, found the folder"));
  EXPECT_THAT(complaint_with("results/small.h5", "sweep.yaml"), HasSubstr("found the spec itself"));
}

TEST(SpecErrors, ReportsReferencesToWhatDoesNotExist) {
  EXPECT_EQ(complaint_with("    path: model", "    path: model\n    runs: [refusl]"),
            "sweep.yaml:6:12: models[0].runs[0]: expected the name of a run (refusal), found 'refusl'; did you mean "
            "'refusal'?");
  EXPECT_THAT(complaint_with("    path: model", "    path: model\n    runs: [refusal, refusal]"),
              HasSubstr("models[0].runs[1]: expected each run once, found 'refusal' again"));
  EXPECT_THAT(complaint_with("    path: model", "    path: model\n    runs: []"), HasSubstr("at least one name"));
  EXPECT_THAT(complaint_with("coefficients:", "method: { normalize: { over: [refusl] } }\ncoefficients:"),
              HasSubstr("method.normalize.over[0]: expected the name of a behavior (refusal), found 'refusl'"));
  EXPECT_THAT(complaint_with("coefficients:",
                             "runs: [{ name: r, vectors: x, questions: questions.json }]\n"
                             "coefficients:"),
              HasSubstr("runs[0].vectors: expected the name of a behavior (refusal), found 'x'"));
}

TEST(SpecErrors, ReportsWhatIsWrongWithADataSetUnderTheKeyThatNamesIt) {
  const SpecFolder folder;
  folder.write("bad.json", R"json([{"question": "q", "answer_matching_behavior": "A"}])json");
  EXPECT_EQ(folder.complaint(spec_with("questions: questions.json", "questions: bad.json")),
            "sweep.yaml:9:16: behaviors[0].questions: bad.json: [0]: expected the field answer_not_matching_behavior, "
            "found only 'answer_matching_behavior', 'question'");
}

TEST(SpecErrors, TellsAllProblemsAtOnceInTheFilesOrder) {
  const std::string text = complaint_of(R"(nmae: x
models:
  - { name: m, path: nowhere, dtype: float17 }
behaviors:
  - { name: b, pairs: nowhere.json, questions: questions.json }
output: o.h5
coefficients: [1, 1]
)");
  EXPECT_EQ(lines_of(text), 5) << text;
  std::size_t at = 0;
  for (const char* part : {"nmae", "models[0].path", "models[0].dtype", "behaviors[0].pairs", "coefficients[1]"}) {
    const std::size_t next = text.find(part);
    ASSERT_NE(next, text.npos) << part;
    EXPECT_GE(next, at) << part;
    at = next;
  }
}

TEST(SpecErrors, CountsWhatIsTooMuchToList) {
  std::string layers = "layers: [1";
  for (int i = 0; i < 500; ++i) layers += ", x" + std::to_string(i);
  const std::string text = complaint_with("coefficients:", layers + "]\ncoefficients:");
  EXPECT_EQ(lines_of(text), 101);
  EXPECT_THAT(text, HasSubstr("... and 400 more"));
}

TEST(SpecErrors, KnowAResultFileFromASpec) {
  EXPECT_EQ(complaint_of(std::string_view("\x89HDF\r\n\x1a\n\0\0", 10)),
            "sweep.yaml: expected a spec (YAML), found an HDF5 file: a result?");
}

TEST(SpecErrors, BoundsListsAndMaps) {
  std::string list = "[0", map = "";
  for (int i = 1; i <= 10'000; ++i) list += fmt::format(", {}", i);
  for (int i = 0; i < 20'000; ++i) map += fmt::format("key{}: 1\n", i);
  EXPECT_THAT(complaint_with("[-1, 0, 1]", list + "]"), HasSubstr("expected at most 10000 entries, found 10001"));
  EXPECT_THAT(complaint_of(map), HasSubstr("keys, found 20000"));
}

TEST(SpecErrors, QuotesInputOnOneLineAndShort) {
  const std::string text = complaint_with("name: small", "name: \"a\\nb\\u0007" + std::string(500, 'x') + "\"");
  EXPECT_EQ(lines_of(text), 1);
  EXPECT_THAT(text, HasSubstr("'a\\nb\\x07xxx"));
  EXPECT_LT(text.size(), 300u);
}

}  // namespace
}  // namespace steergrid
