// Names of synthetic models, their tokenizer, and what of their weights must not depend on the dtype or the slice.
#include "engine/synthetic_model.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/chat_format.h"
#include "engine/checkpoint.h"
#include "engine/llama.h"
#include "engine/model_source.h"
#include "engine/pass.h"
#include "engine/write_synthetic.h"
#include "error_of.h"
#include "temporary_folder.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string error_in(std::string_view name) {
  return error_of([&] { parse_synthetic(name); });
}

TEST(SyntheticModel, KnowsTheShapesOfLlama2) {
  EXPECT_EQ(parse_synthetic("random:llama-2-7b").config.shape.parameters(), 6738415616);
  EXPECT_EQ(parse_synthetic("random:llama-2-13b").config.shape.parameters(), 13015864320);
  EXPECT_EQ(parse_synthetic("random:llama-2-70b").config.shape.parameters(), 68976648192);
}

TEST(SyntheticModel, HasOneIdentityUnderAllItsNames) {
  EXPECT_EQ(parse_synthetic("random:llama-2-7b").canonical(),
            "random:hidden=4096,layers=32,heads=32,kv_heads=32,head_size=128,feed_forward=11008,vocabulary=32000,"
            "positions=4096?seed=0");
  for (const char* name : {"random:llama-2-7b?seed=0", "random:hidden=4096,layers=32,heads=32",
                           "random:llama-2-13b,heads=32,kv_heads=32,layers=32,hidden=4096,feed_forward=11008"})
    EXPECT_EQ(ModelSource(name).identity(false), parse_synthetic("random:llama-2-7b").canonical()) << name;
  for (const char* name :
       {"random:llama-2-70b,layers=3?seed=18446744073709551615", "random:hidden=8,layers=1,heads=2"}) {
    const std::string canonical = parse_synthetic(name).canonical();
    EXPECT_EQ(parse_synthetic(canonical).canonical(), canonical);
  }
  EXPECT_NE(parse_synthetic("random:llama-2-7b?seed=1").canonical(), parse_synthetic("random:llama-2-7b").canonical());
}

TEST(SyntheticModel, SaysWhatIsWrongWithAName) {
  EXPECT_THAT(error_in("random:"), HasSubstr("expected llama-2-7b, llama-2-13b, llama-2-70b or numbers"));
  EXPECT_THAT(error_in("random:llama-3-8b"), HasSubstr("found 'llama-3-8b'"));
  EXPECT_THAT(error_in("random:llama-2-7b,depth=3"), HasSubstr("expected numbers named hidden, layers"));
  EXPECT_THAT(error_in("random:llama-2-7b,layers=0"), HasSubstr("layers: expected a number from 1 to 1024, found '0'"));
  EXPECT_THAT(error_in("random:llama-2-7b,layers=2x"), HasSubstr("found '2x'"));
  EXPECT_THAT(error_in("random:llama-2-7b,layers"), HasSubstr("found ''"));
  EXPECT_THAT(error_in("random:llama-2-7b,layers=2,layers=3"), HasSubstr("layers: expected once, found again"));
  EXPECT_THAT(error_in("random:llama-2-7b,"), HasSubstr("expected numbers named"));
  EXPECT_THAT(error_in("random:llama-2-7b?seed=-1"), HasSubstr("expected ?seed= and a whole number, found '?seed=-1'"));
  EXPECT_THAT(error_in("random:llama-2-7b?"), HasSubstr("expected ?seed="));
  EXPECT_THAT(error_in("random:layers=2,heads=2"), HasSubstr("expected hidden="));
  EXPECT_THAT(error_in("random:hidden=100,layers=2,heads=8"), HasSubstr("expected a multiple of heads 8"));
  EXPECT_THAT(error_in("random:hidden=64,layers=2,heads=8,kv_heads=3"), HasSubstr("expected a divisor of heads 8"));
  EXPECT_THAT(error_in("random:hidden=6,layers=2,heads=2"), HasSubstr("expected an even number"));
  EXPECT_THAT(error_in("random:hidden=64,layers=2,heads=8,vocabulary=258"), HasSubstr("at least 259"));
  EXPECT_THAT(error_in("random:llama-2-7b,hidden=1000000000000?seed=x"),
              AllOf(HasSubstr("?seed=x: hidden: expected"), HasSubstr("\nrandom:"), HasSubstr("found '?seed=x'")));
}

TEST(SyntheticModel, TokenizesByteByByteAtTheIdsOfLlamasBytes) {
  const Tokenizer tokenizer = ModelSource("random:llama-2-7b").tokenizer();
  EXPECT_EQ(tokenizer.size(), 259);
  const std::string text = "  (A)\n\xc3\xa9 \xe2\x96\x81\x01[/INST]";
  const Encoding encoding = tokenizer.encode(text);
  ASSERT_EQ(encoding.ids.size(), text.size() + 1);
  EXPECT_EQ(encoding.ids[0], 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    EXPECT_EQ(encoding.ids[i + 1], 3 + static_cast<unsigned char>(text[i])) << "byte " << i;
  for (const PromptFormat format : {PromptFormat::CaaLlama2Chat, PromptFormat::CaaBase})
    EXPECT_EQ(letter_token(tokenizer, format, 'B'), 3 + 'B');
  const Prompt prompt = make_prompt(tokenizer, PromptFormat::CaaLlama2Chat, "", "why?", "(");
  EXPECT_EQ(prompt.ids.size(), std::string("[INST] why? [/INST] (").size() + 1);
  EXPECT_EQ(prompt.ids[static_cast<std::size_t>(prompt.instruction_end)], 3 + ']');
}

/// The last token's hidden state reaches the head: log-probabilities of three tokens.
std::vector<double> head_of(const std::string& name, DType dtype, DType residual) {
  const ModelSource source(name);
  const auto backend = make_cpu_backend(dtype, 1);
  SoloTeam team;
  Llama model(*backend, team, source.config(), source.weights(), Rounded{.residual = residual});
  Pass pass(model, {});
  const std::vector<std::int32_t> selected{3, 80, 258};
  Sequence sequence;
  sequence.tokens = {1, 70, 71, 72, 90, 11};
  sequence.wants_head = true;
  const int only = pass.add(std::move(sequence));
  pass.run(selected);
  return pass.head(only).log_probability;
}

TEST(SyntheticModel, WrittenAsACheckpointHasTheBitsOfItsName) {
  const std::string name = "random:hidden=64,layers=2,heads=4,kv_heads=2,feed_forward=172,vocabulary=300?seed=9";
  const SyntheticModel model = parse_synthetic(name);
  const std::vector<double> direct = head_of(name, DType::Float16, DType::Float32);
  for (const DType dtype : {DType::Float32, DType::Float16, DType::BFloat16}) {
    const TemporaryFolder folder;
    const WrittenModel written = write_synthetic(model, folder.path(), {.dtype = dtype, .shard_bytes = 30000});
    EXPECT_GT(written.shards, 3);
    EXPECT_EQ(written.bytes, model.config.shape.parameters() * static_cast<std::int64_t>(size_of(dtype)));
    const ModelSource source(folder.path());
    source.check();
    EXPECT_EQ(source.dtype(), dtype);
    EXPECT_EQ(source.tokenizer().encode("(A)").ids, ModelSource(name).tokenizer().encode("(A)").ids);
    EXPECT_EQ(head_of(folder.path(), DType::Float16, DType::Float32), direct) << name_of(dtype);
  }
}

TEST(SyntheticModel, IsWrittenToAnEmptyFolderOnly) {
  const SyntheticModel model = parse_synthetic("random:hidden=8,layers=1,heads=2");
  const TemporaryFolder folder;
  const WrittenModel written = write_synthetic(model, folder / "new/one", {});
  EXPECT_EQ(written.shards, 1);
  EXPECT_EQ(Checkpoint(folder / "new/one").files().size(), 1u);
  EXPECT_THAT(error_of([&] { write_synthetic(model, folder / "new/one", {}); }),
              HasSubstr("expected a new or empty folder"));
  folder.write("file", "");
  EXPECT_THAT(error_of([&] { write_synthetic(model, folder / "file/one", {}); }), HasSubstr("cannot make this folder"));
}

TEST(SyntheticModel, StaysFiniteOverEightyLayersInEveryDtype) {
  const std::string name = "random:hidden=128,layers=80,heads=4,kv_heads=2,vocabulary=300";
  const std::vector<double> exact = head_of(name, DType::Float32, DType::Float32);
  for (const DType dtype : {DType::Float32, DType::Float16, DType::BFloat16}) {
    const std::vector<double> found = head_of(name, dtype, dtype);
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_TRUE(std::isfinite(found[i])) << name_of(dtype);
      EXPECT_GT(found[i], -30) << name_of(dtype);  // no letter is out of the question
      EXPECT_NEAR(found[i], exact[i], dtype == DType::BFloat16 ? 1.0 : 0.1) << name_of(dtype);
    }
  }
  EXPECT_NE(head_of(name + "?seed=1", DType::Float32, DType::Float32), exact);
}

}  // namespace
}  // namespace steergrid
