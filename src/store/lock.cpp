#include "store/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace steergrid::store {
namespace {

namespace fs = std::filesystem;
constexpr int kAttempts = 50;
constexpr std::time_t kAbandonedAfter = 600;  // seconds without a heartbeat
constexpr std::time_t kTakeover = 60;         // seconds: far more than a takeover lasts

std::string this_host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

LockOwner this_process() {
  LockOwner me{this_host(), "", ::getpid(), iso8601(wall_ns())};
  for (const char* variable : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"})
    if (const char* id = std::getenv(variable); id != nullptr && me.job.empty()) me.job = id;
  return me;
}

std::string lines_of(const LockOwner& o) {
  return fmt::format("host {}\npid {}\nstarted {}\njob {}\n", o.host, o.pid, o.started, o.job);
}

LockOwner read_owner(const std::string& file) {
  LockOwner owner;
  std::ifstream in(file);
  std::string line;
  for (int i = 0; i < 10 && std::getline(in, line); ++i) {
    std::istringstream words(line);
    std::string key, value;
    words >> key >> value;
    if (key == "host") owner.host = value;
    if (key == "pid") owner.pid = std::strtoll(value.c_str(), nullptr, 10);
    if (key == "started") owner.started = value;
    if (key == "job") owner.job = value;
  }
  return owner;
}

[[noreturn]] void taken(const std::string& output, const LockOwner& owner, const std::string& file) {
  failed("{}: another run writes to it: {}; if that is not so, remove {}", output, owner.text(), file);
}

/// Seconds since its last change; 0 if it is not there.
std::time_t age_of(const std::string& file) {
  struct stat info = {};
  return ::stat(file.c_str(), &info) == 0 ? std::time(nullptr) - info.st_mtime : 0;
}

bool abandoned(const std::string& file, const LockOwner& owner) {
  if (owner.pid > 0 && owner.host == this_host())
    return ::kill(static_cast<pid_t>(owner.pid), 0) != 0 && errno == ESRCH;
  return age_of(file) > kAbandonedAfter;
}

bool lock_unsupported(int error) {
  return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL;
}

bool same_file(int descriptor, const std::string& path) {
  struct stat mine = {}, there = {};
  return ::fstat(descriptor, &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

bool write_whole(int descriptor, const std::string& text) {
  return ::ftruncate(descriptor, 0) == 0 &&
         ::pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

/// Of the runs that find an abandoned owner file only one at a time looks at it again and removes it: the one that
/// could make the folder FILE.takeover. Else a run could remove the file that another one has just put in its place.
void remove_abandoned(const std::string& output, const std::string& file) {
  const std::string guard = file + ".takeover";
  for (int attempt = 0; ::mkdir(guard.c_str(), 0777) != 0; ++attempt) {
    if (errno != EEXIST) failed("{}: the folder {} cannot be made ({})", output, guard, std::strerror(errno));
    if (age_of(guard) > kTakeover) ::rmdir(guard.c_str());  // of a run that was killed in the middle
    if (attempt == kAttempts)
      failed("{}: another run is taking over {}, which is abandoned; if that is not so, remove the folder {}", output,
             file, guard);
    ::usleep(20'000);
  }
  if (abandoned(file, read_owner(file))) ::unlink(file.c_str());
  ::rmdir(guard.c_str());
}

void touch_until(const std::stop_token& over, int descriptor, std::chrono::milliseconds beat) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, over, beat, [&] { return over.stop_requested(); })) ::futimens(descriptor, nullptr);
}

}  // namespace

std::string LockOwner::text() const {
  return fmt::format("process {} on {}, since {}{}", pid, host.empty() ? "?" : host, started.empty() ? "?" : started,
                     job.empty() ? "" : ", job " + job);
}

OutputLock::OutputLock(const std::string& output, Kind preferred, std::chrono::milliseconds beat)
    : output_(output), kind_(preferred) {
  std::error_code error;
  const fs::path folder = fs::path(output).parent_path();
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error) failed("{}: the folder cannot be made ({})", output, error.message());
  const LockOwner me = this_process();
  if (kind_ == Kind::Flock && !take_flock(me)) kind_ = Kind::OwnerFile;
  if (kind_ == Kind::Flock) return;
  take_owner_file(me);
  try {
    heart_ = std::jthread([file = descriptor_, beat](const std::stop_token& over) { touch_until(over, file, beat); });
  } catch (const std::system_error& no_thread) {
    ::unlink(file_.c_str());
    ::close(descriptor_);
    failed("{}: cannot be kept up to date ({})", file_, no_thread.what());
  }
}

bool OutputLock::take_flock(const LockOwner& me) {
  file_ = output_ + ".lock";
  for (int refusals = 0;;) {
    descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) failed("{}: the lock file {} cannot be made ({})", output_, file_, std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(std::exchange(descriptor_, -1));
      if (error == EWOULDBLOCK && ++refusals < 5) {  // `lock_owner` of somebody's status holds it for a moment
        ::usleep(50'000);
        continue;
      }
      if (error == EWOULDBLOCK) failed("{}: another run writes to it: {}", output_, read_owner(file_).text());
      if (lock_unsupported(error)) return false;
      failed("{}: the lock file {} cannot be locked ({})", output_, file_, std::strerror(error));
    }
    if (same_file(descriptor_, file_)) break;  // else its last owner has just removed it
    ::close(std::exchange(descriptor_, -1));
  }
  write_whole(descriptor_, lines_of(me));  // for others to read; on a full disk the lock holds without it
  return true;
}

void OutputLock::take_owner_file(const LockOwner& me) {
  file_ = output_ + ".owner";
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      if (write_whole(descriptor_, lines_of(me))) return;
      const int error = errno;
      ::unlink(file_.c_str());
      ::close(std::exchange(descriptor_, -1));
      failed("{}: cannot be written ({})", file_, std::strerror(error));
    }
    if (errno != EEXIST) failed("{}: the owner file {} cannot be made ({})", output_, file_, std::strerror(errno));
    if (const LockOwner owner = read_owner(file_); !abandoned(file_, owner)) taken(output_, owner, file_);
    remove_abandoned(output_, file_);
  }
  taken(output_, read_owner(file_), file_);
}

OutputLock::~OutputLock() {
  heart_ = {};  // before its file is closed
  if (descriptor_ < 0) return;
  if (same_file(descriptor_, file_)) ::unlink(file_.c_str());
  ::close(descriptor_);
}

std::optional<LockOwner> lock_owner(const std::string& output) {
  const std::string lock = output + ".lock", owner = output + ".owner";
  const int descriptor = ::open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) {
    const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(descriptor);
    if (held) return read_owner(lock);
  }
  if (fs::exists(owner) && !abandoned(owner, read_owner(owner))) return read_owner(owner);
  return std::nullopt;
}

}  // namespace steergrid::store
