#include "spec/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace steergrid {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int> resolved(std::string_view text, int n_layers) {
  auto selection = layers_from_text(text);
  EXPECT_TRUE(selection) << text;
  selection->mark = {"s.yaml", 3, 9, "layers"};
  return resolve_layers(*selection, n_layers);
}

std::string refusal(std::string_view text, int n_layers) {
  try {
    resolved(text, n_layers);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Layers, AllMeansEveryLayerOfTheModel) { EXPECT_THAT(resolved("all", 4), ElementsAre(0, 1, 2, 3)); }

TEST(Layers, RangesIncludeBothEnds) {
  EXPECT_THAT(resolved("1-3", 4), ElementsAre(1, 2, 3));
  EXPECT_THAT(resolved("2-2", 4), ElementsAre(2));
  EXPECT_THAT(resolved("3", 4), ElementsAre(3));
}

TEST(Layers, RangesStepFromTheirFirstLayer) {
  EXPECT_THAT(resolved("0-6/3", 7), ElementsAre(0, 3, 6));
  EXPECT_THAT(resolved("1-6/3", 7), ElementsAre(1, 4));
}

TEST(Layers, ListsComeOutAscendingAndOnce) {
  LayerSelection s;
  s.kind = LayerSelection::Kind::List;
  s.list = {5, 0, 5, 2};
  EXPECT_THAT(resolve_layers(s, 6), ElementsAre(0, 2, 5));
}

TEST(Layers, DepthIsTheShareOfBlocksDoneBothEndsIncluded) {
  EXPECT_THAT(resolved("30%-50%", 10), ElementsAre(2, 3, 4));  // 3/10, 4/10, 5/10
  EXPECT_THAT(resolved("0%-100%", 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(resolved("34%-38%", 32), ElementsAre(10, 11));  // 11/32 = 34.4 %, 12/32 = 37.5 %
  EXPECT_THAT(resolved("7%-7%", 100), ElementsAre(6));        // 0.07 * 100 is not 7
}

TEST(Layers, AreRefusedOutsideTheModelWithTheirPlace) {
  EXPECT_EQ(refusal("30-40", 32), "s.yaml:3:9: layers: expected layers of 0-31 (the model has 32), found 32 in 30-40");
  EXPECT_THAT(refusal("40-50", 32), HasSubstr("found 40 in 40-50"));
  EXPECT_THAT(refusal("0-2000000000", 32), HasSubstr("found 32"));
}

TEST(Layers, AreRefusedWhereNoneIsSelected) {
  EXPECT_EQ(refusal("10%-20%", 4),
            "s.yaml:3:9: layers: expected at least one of the model's 4 layers, found none in 10%-20%");
}

TEST(Layers, AreNoFreeText) {
  for (const char* bad : {"", "All", "1-", "-1", "1 - 2", "3-1", "1-2/0", "1-2/", "1-2/2x", "5%", "50%-30%", "1%-200%",
                          "1%-nan%", "inf%-inf%", "99999999999"})
    EXPECT_FALSE(layers_from_text(bad)) << bad;
}

}  // namespace
}  // namespace steergrid
