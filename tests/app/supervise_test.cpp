#include "app/supervise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>

namespace steergrid {
namespace {

using testing::ElementsAre;

int exited(int code) { return W_EXITCODE(code, 0); }

TEST(Verdict, WhatRankZeroToldCountsWhateverTheLauncherSays) {
  for (const int status : {exited(0), exited(1), exited(2), exited(75), exited(127), SIGKILL})
    for (const ExitCode code : {ExitCode::Ok, ExitCode::Failed, ExitCode::BadInput})
      EXPECT_EQ(verdict({status, static_cast<int>(code)}), code) << status;
}

TEST(Verdict, ARunThatAsksForItIsStartedAgain) { EXPECT_EQ(verdict({exited(0), 75}), std::nullopt); }

TEST(Verdict, ARunThatToldNothingHasDied) {
  for (const int status : {exited(0), exited(1), exited(2), exited(75), exited(134), SIGKILL, SIGSEGV})
    EXPECT_EQ(verdict({status, std::nullopt}), std::nullopt) << status;
}

TEST(Verdict, ALauncherThatFindsNoProgramIsNotStartedAgain) {
  for (const int code : {126, 127}) EXPECT_EQ(verdict({exited(code), std::nullopt}), ExitCode::BadInput);
}

TEST(CommandOf, PutsTheLauncherBeforeTheCommandAndDropsWhatIsTheSupervisors) {
  const char* words[] = {"steergrid", "run",  "--restarts",    "3",          "a spec.yaml", "--launcher=mpirun -n 3",
                         "--rows",    "1024", "--restarts=20", "--launcher", "sh"};
  const auto command = command_of({3, "mpirun -x 'A=b c' -n 3"}, std::size(words), words);
  ASSERT_EQ(command.size(), 10U);
  EXPECT_THAT(std::vector(command.begin(), command.begin() + 5), ElementsAre("mpirun", "-x", "A=b c", "-n", "3"));
  EXPECT_TRUE(command[5].ends_with("test_app")) << command[5];  // this program itself, wherever the shell found it
  EXPECT_THAT(std::vector(command.begin() + 6, command.end()), ElementsAre("run", "a spec.yaml", "--rows", "1024"));
}

TEST(CommandOf, RefusesALauncherThatIsNoListOfWords) {
  const char* words[] = {"steergrid", "run"};
  for (const char* launcher : {"mpirun 'open", "mpirun $(hostname)", "a; b"})
    EXPECT_THROW(command_of({1, launcher}, 2, words), Error) << launcher;
}

}  // namespace
}  // namespace steergrid
