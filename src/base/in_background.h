// Work beside this thread's. Called where parts are equal and independent: tokenizing, writing shards.
#pragma once

#include <functional>
#include <future>
#include <system_error>

namespace steergrid {

/// Begins `work` in a thread of its own; where the system gives no more threads, it is done when the future is waited
/// for. The future throws what `work` throws.
inline std::future<void> in_background(const std::function<void()>& work) {
  try {
    return std::async(std::launch::async, work);
  } catch (const std::system_error&) {
    return std::async(std::launch::deferred, work);
  }
}

}  // namespace steergrid
