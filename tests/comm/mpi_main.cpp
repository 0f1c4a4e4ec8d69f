// main() of tests that run under mpirun: every rank runs every test; ranks above 0 print only what fails.
#include "tests/comm/mpi_main.h"

#include <gtest/gtest.h>

#include <exception>

namespace {

const steergrid::MpiSession* the_session = nullptr;

class OnlyFailures : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d: %s:%d: %s\n", steergrid::session().rank(),
                 result.file_name() ? result.file_name() : "?", result.line_number(), result.summary());
  }
};

}  // namespace

namespace steergrid {
const MpiSession& session() { return *the_session; }
}  // namespace steergrid

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int result = 1;
  {
    const steergrid::MpiSession session(argc, argv);
    the_session = &session;
    if (session.rank() > 0) {
      auto& listeners = testing::UnitTest::GetInstance()->listeners();
      delete listeners.Release(listeners.default_result_printer());
      listeners.Append(new OnlyFailures);
    }
    result = RUN_ALL_TESTS();
  }
  return result;
}
