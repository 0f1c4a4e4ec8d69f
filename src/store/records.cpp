#include "store/records.h"

namespace steergrid::store {

ResumeState resume_state(std::span<const UnitRecord> records) {
  ResumeState found;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const int unit = static_cast<int>(i);
    switch (records[i].state) {
      case UnitState::Done: found.done.push_back(unit); break;
      case UnitState::Failed: found.failed.push_back(unit); break;
      case UnitState::Blocked: found.blocked.push_back(unit); break;
      case UnitState::Absent:
        if (records[i].attempt > 0) found.suspects.push_back(unit);
        break;
    }
  }
  return found;
}

std::string cut_utf8(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  std::size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;  // inside a character
  return text.substr(0, end);
}

}  // namespace steergrid::store
