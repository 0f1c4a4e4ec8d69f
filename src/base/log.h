// Logging: one event a line, through spdlog. `app` sets it up once; everyone else calls spdlog::info and friends.
#pragma once

#include <string>

namespace steergrid {

/// Lines go to stderr and, where `file` is not empty, are appended to it; then a terminal shows warnings only, and is
/// free for a live progress line. `who` names the process in each line ("coordinator", "rank 3"). Throws Error if the
/// file cannot be opened.
void start_log(const std::string& who, const std::string& file, bool verbose);

/// Names the process otherwise from here on ("rank 3, team 1"). Any thread may be logging.
void name_log(const std::string& who);

/// What a user must read: "steergrid: SENTENCE" on stderr, in one piece, for a launcher has words of its own at the
/// end. Each of its lines printable, for it may quote a file that nobody vouches for.
void tell_user(const std::string& sentence);

}  // namespace steergrid
