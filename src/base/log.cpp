#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/printable.h"

namespace steergrid {
namespace {

/// A message's text, printable, for it may quote a file that nobody vouches for.
class PrintableText final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text = printable(std::string_view(message.payload.data(), message.payload.size()));
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<PrintableText>(); }
};

}  // namespace

void start_log(const std::string& who, const std::string& file, bool verbose) try {
  std::vector<spdlog::sink_ptr> sinks{std::make_shared<spdlog::sinks::stderr_color_sink_mt>()};
  if (!file.empty() && ::isatty(STDERR_FILENO) != 0) sinks.front()->set_level(spdlog::level::warn);
  if (!file.empty()) sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
  auto logger = std::make_shared<spdlog::logger>(who, sinks.begin(), sinks.end());
  logger->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  name_log(who);
} catch (const spdlog::spdlog_ex& e) {
  failed("log file {}: {}", file, e.what());
}

void name_log(const std::string& who) {
  auto lines = std::make_unique<spdlog::pattern_formatter>();
  lines->add_flag<PrintableText>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ [" + who + "] %*");
  spdlog::default_logger()->set_formatter(std::move(lines));
}

void tell_user(const std::string& sentence) {
  std::string text = "steergrid: ";
  for (std::size_t at = 0, end = 0; at <= sentence.size(); at = end + 1) {
    end = std::min(sentence.find('\n', at), sentence.size());
    text += printable(std::string_view(sentence).substr(at, end - at)) + '\n';
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace steergrid
