#include "app/start_together.h"

#include <unistd.h>  // gethostname

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "plan/teams.h"

namespace steergrid {

namespace {

/// The sentence with where it happened, for what is wrong on one node alone: "rank 3 on node7: ...".
std::string with_place(const Team& everybody, const std::string& sentence) {
  const std::string rank = fmt::format("rank {} on ", everybody.rank());
  if (everybody.size() == 1 || sentence.starts_with(rank)) return sentence;
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '?';
  return fmt::format("{}{}: {}", rank, host, sentence);
}

}  // namespace

std::vector<std::byte> by_rank_0(Team& everybody, const std::function<std::vector<std::byte>()>& step) {
  std::vector<std::byte> bytes;  // first the exit code, then what `step` gave
  std::string sentence;
  if (everybody.rank() == 0) {
    try {
      bytes = step();
      bytes.insert(bytes.begin(), std::byte{0});
    } catch (const Error& e) {
      sentence = e.what();
      bytes = {static_cast<std::byte>(e.code())};
    } catch (const std::exception& e) {
      sentence = e.what();
      bytes = {static_cast<std::byte>(ExitCode::Failed)};
    }
  }
  everybody.broadcast(bytes);
  if (bytes[0] != std::byte{0}) throw Error(static_cast<ExitCode>(bytes[0]), sentence);
  bytes.erase(bytes.begin());
  return bytes;
}

void by_all(Team& everybody, const std::function<void()>& step) {
  std::byte mine{0};
  std::string sentence;
  try {
    step();
  } catch (const Error& e) {
    mine = static_cast<std::byte>(e.code());
    sentence = e.what();
  } catch (const std::exception& e) {
    mine = static_cast<std::byte>(ExitCode::Failed);
    sentence = e.what();
  }
  const std::vector<std::byte> codes = everybody.gather_host(std::span(&mine, 1));
  const auto first = std::find_if(codes.begin(), codes.end(), [](std::byte code) { return code != std::byte{0}; });
  if (first == codes.end()) return;
  const bool speaks = first - codes.begin() == everybody.rank();
  throw Error(static_cast<ExitCode>(*first), speaks ? with_place(everybody, sentence) : "");
}

Prepared prepare_together(Team& everybody, const std::string& spec_file, bool full_hash, const GpuChoice& gpus) {
  Prepared p;
  const std::vector<std::byte> word = by_rank_0(everybody, [&] {
    p = prepare(spec_file, Look::AtEverything, full_hash, std::nullopt, gpus);
    teams_of_models(p.spec, p.plan, everybody.size());  // here, so that one rank says what does not fit
    return encode(p);
  });
  if (everybody.rank() == 0) {
    by_all(everybody, [] {});
    return p;
  }
  by_all(everybody, [&] {
    p = prepare(spec_file, Look::AtHeaders, false, decode_choices(word));
    if (encode(p) != word)
      failed("{} gives another plan here than on rank 0: the ranks see different files", spec_file);
  });
  return p;
}

}  // namespace steergrid
