// Work beside this thread's. Called where parts are equal and independent: tokenizing, reading and writing shards.
#pragma once

#include <future>
#include <system_error>
#include <type_traits>

namespace steergrid {

/// Begins `work` in a thread of its own; where the system gives no more threads, it is done when the future is waited
/// for. The future has what `work` returns or throws.
template <class Work>
std::future<std::invoke_result_t<const Work&>> in_background(const Work& work) {
  try {
    return std::async(std::launch::async, work);
  } catch (const std::system_error&) {
    return std::async(std::launch::deferred, work);
  }
}

}  // namespace steergrid
