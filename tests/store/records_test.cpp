// Records, rows as bytes, and the file systems on which leaders write.
#include "store/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/rows.h"
#include "store/sink.h"
#include "tests/store/example_plan.h"
#include "tests/store/scratch.h"

namespace steergrid::store {
namespace {

using testing::ElementsAre;

TEST(ResumeState, TellsDoneFailedBlockedAndSuspectUnitsApart) {
  std::vector<UnitRecord> records(6);
  records[0].state = UnitState::Done;
  records[1].attempt = 2;
  records[2].state = UnitState::Failed;
  records[3].state = UnitState::Blocked;
  records[5].state = UnitState::Done;
  const ResumeState state = resume_state(records);
  EXPECT_THAT(state.done, ElementsAre(0, 5));
  EXPECT_THAT(state.failed, ElementsAre(2));
  EXPECT_THAT(state.blocked, ElementsAre(3));
  EXPECT_THAT(state.suspects, ElementsAre(1));
}

TEST(Sentences, AreCutBetweenCharactersNotInsideOne) {
  EXPECT_EQ(cut_utf8("größer", 3), "gr");
  EXPECT_EQ(cut_utf8("größer", 4), "grö");
  EXPECT_EQ(cut_utf8("größer", 100), "größer");
  EXPECT_EQ(cut_utf8("\x80\x80\x80", 2), "");
}

TEST(Rows, SurviveTheTripAsBytes) {
  const Example e = make_example({.activations = ActivationStore::Float32});
  const Block block = example_block(e, 0), block_again = decode_block(encode(block.rows()));
  EXPECT_EQ(block_again.sums, block.sums);
  EXPECT_EQ(block_again.norm_sums, block.norm_sums);
  EXPECT_EQ(block_again.activations, block.activations);
  const Evaluation evaluation = example_evaluation(e, 8), again = decode_evaluation(encode(evaluation.rows()));
  EXPECT_EQ(checksum_of(again.rows()), checksum_of(evaluation.rows()));
  EXPECT_EQ(again.baseline_top_token, evaluation.baseline_top_token);
}

TEST(Rows, ThatWereCutOrLengthenedAreRefused) {
  const Example e = make_example();
  const std::vector<std::byte> bytes = encode(example_evaluation(e, 8).rows());
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(error_of([&] { decode_evaluation(std::span(bytes).first(n)); }), "") << n;
  std::vector<std::byte> longer = bytes;
  longer.push_back({});
  EXPECT_THAT(error_of([&] { decode_evaluation(longer); }), testing::HasSubstr("1 bytes left over"));
  EXPECT_NE(error_of([&] { decode_block(bytes); }), "");
}

TEST(Rows, WithAnAbsurdLengthAreRefusedBeforeMemoryIsTaken) {
  std::vector<std::byte> bytes = encode(BlockRows{});
  for (std::size_t i = 4; i < 12; ++i) bytes[i] = std::byte{0xff};
  EXPECT_THAT(error_of([&] { decode_block(bytes); }), testing::HasSubstr("elements in"));
}

TEST(Sink, LeadersWriteOnLocalDisksAndNotWhereNothingIsKnown) {
  const Scratch scratch;
  EXPECT_TRUE(leaders_write(scratch / "not-there-yet.h5"));
  EXPECT_FALSE(leaders_write("/no/such/folder/r.h5"));
  EXPECT_FALSE(file_system_of(scratch.folder()).empty());
}

}  // namespace
}  // namespace steergrid::store
