#include "base/model_shape.h"

#include <gtest/gtest.h>

#include "base/prompt_format.h"

namespace steergrid {
namespace {

TEST(ModelShape, CountsLlamasParameters) {
  EXPECT_EQ((ModelShape{32, 4096, 32, 32, 128, 11008, 32000, false}).parameters(), 6'738'415'616);
  EXPECT_EQ((ModelShape{40, 5120, 40, 40, 128, 13824, 32000, false}).parameters(), 13'015'864'320);
  EXPECT_EQ((ModelShape{80, 8192, 64, 8, 128, 28672, 32000, false}).parameters(), 68'976'648'192);
}

TEST(ModelShape, CountsTiedEmbeddingsOnce) {
  const ModelShape untied{2, 64, 4, 4, 16, 96, 100, false};
  ModelShape tied = untied;
  tied.tied_embeddings = true;
  EXPECT_EQ(untied.parameters() - tied.parameters(), 100 * 64);
}

TEST(ModelShape, IsDividedByDegreesThatDivideHeadsKeyValueHeadsAndFeedForward) {
  const ModelShape s{2, 64, 8, 4, 8, 96, 100, false};
  EXPECT_TRUE(s.divides(1));
  EXPECT_TRUE(s.divides(4));
  EXPECT_FALSE(s.divides(8));  // 4 key/value heads
  EXPECT_FALSE(s.divides(3));
  EXPECT_FALSE(s.divides(0));
}

TEST(PromptFormats, HaveNamesThatReadBack) {
  for (const PromptFormat f : {PromptFormat::CaaLlama2Chat, PromptFormat::CaaBase})
    EXPECT_EQ(prompt_format_from_name(name_of(f)), f);
  EXPECT_EQ(prompt_format_from_name("llama2-chat"), std::nullopt);
}

}  // namespace
}  // namespace steergrid
