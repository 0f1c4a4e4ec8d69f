#include "base/in_a_child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace steergrid {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Subject kFile{"results.h5", "damaged: expected a result file, found one"};

/// What becomes of a program whose child ends by `signal`: 2 for a clear error.
[[noreturn]] void program_ended_by(int signal) {
  try {
    go_on_in_a_child(kFile);
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("results.h5: damaged"), HasSubstr(::strsignal(signal))));
    ::_exit(testing::Test::HasFailure() ? 1 : static_cast<int>(e.code()));
  }
  ::signal(signal, SIG_DFL);  // sanitizers have handlers
  ::raise(signal);
  ::_exit(1);
}

TEST(InAChild, ACrashIsAnErrorThatNamesTheFile) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT})
    EXPECT_EXIT(program_ended_by(signal), testing::ExitedWithCode(static_cast<int>(ExitCode::BadInput)), "");
}

TEST(InAChild, SomebodysSignalEndsTheParentToo) {
  EXPECT_EXIT(program_ended_by(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

TEST(InAChild, ItsExitCodeIsTheProgramsOwn) {
  const auto program = [] {
    go_on_in_a_child(kFile);
    ::_exit(75);
  };
  EXPECT_EXIT(program(), testing::ExitedWithCode(75), "");
}

/// What a tried read throws whose child ends by `signal`.
Error error_where_it_ends_by(int signal) {
  try {
    try_in_a_child(kFile, [signal] { ::raise(signal); });
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "expected an error for signal " << signal;
  return {ExitCode::Ok, ""};
}

TEST(InAChild, ATriedReadThatCrashesIsAnErrorAndTheProgramGoesOn) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE}) {
    const Error e = error_where_it_ends_by(signal);
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("results.h5: damaged"), HasSubstr(::strsignal(signal))));
  }
}

TEST(InAChild, ATriedReadThatSomebodyElseEndsProvesNothing) {
  for (const int signal : {SIGKILL, SIGTERM}) {
    const Error e = error_where_it_ends_by(signal);
    EXPECT_EQ(e.code(), ExitCode::Failed);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("results.h5: its reader was ended"), HasSubstr(::strsignal(signal))));
    EXPECT_THAT(e.what(), testing::Not(HasSubstr("damaged")));
  }
}

TEST(InAChild, ATriedReadThatEndsTheProcessIsAnErrorToo) {
  for (const int code : {1, 75}) EXPECT_THROW(try_in_a_child(kFile, [code] { ::_exit(code); }), Error) << code;
}

TEST(InAChild, ATriedReadThatDoesNotEndIsAnErrorToo) {
  const auto run_in_circles = [] {
    for (volatile int i = 0;;) i = 1 - i;
  };
  try {
    try_in_a_child(kFile, run_in_circles, 1);
    ADD_FAILURE() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    EXPECT_THAT(e.what(),
                HasSubstr("results.h5: damaged: expected a result file, found one whose reader comes to no end"));
  }
}

TEST(InAChild, ATriedReadThatAsksForAbsurdMemoryIsAnErrorToo) {
  const auto believe_a_size = [] { std::vector<char>(std::size_t{256} << 20, 'x'); };
  try {
    try_in_a_child(kFile, believe_a_size, 60, 64);
    ADD_FAILURE() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::BadInput);
    EXPECT_THAT(e.what(), HasSubstr("results.h5: damaged: expected a result file, found one"));
  }
  try_in_a_child(kFile, believe_a_size, 60, 512);
}

TEST(InAChild, WhatATriedReadThrowsIsThrownHere) {
  try {
    try_in_a_child(kFile, [] { throw Error(ExitCode::RunAgain, "its own sentence"); });
    ADD_FAILURE() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::RunAgain);
    EXPECT_STREQ(e.what(), "its own sentence");
  }
}

TEST(InAChild, ATriedReadLeavesNothingBehind) {
  int reads = 0;
  try_in_a_child(kFile, [&] { ++reads; });
  EXPECT_EQ(reads, 0);
}

}  // namespace
}  // namespace steergrid
