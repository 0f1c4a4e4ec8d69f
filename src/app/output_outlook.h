// What a run would find where its result file is to lie. Asked by plan, which tells, and submit, which refuses: a job
// that cannot begin should not wait in a queue.
#pragma once

#include <string>

#include "app/prepare.h"

namespace steergrid {

/// A line: the file's size and the disk's room for a new one, or how far an existing one is. Throws Error (bad input)
/// where an existing file cannot be read.
std::string output_outlook(const Prepared& prepared);

/// Throws Error (bad input), with the lines that differ, if the output exists and holds another plan's results.
void check_existing_output(const Prepared& prepared);

}  // namespace steergrid
