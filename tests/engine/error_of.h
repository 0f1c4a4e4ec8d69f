// The sentence of the Error that a call throws, or "" if it throws none; anything else it throws fails the test.
#pragma once

#include <string>

#include "base/error.h"

namespace steergrid {

template <class F>
std::string error_of(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace steergrid
