// Names of the spec's choices.
#include "spec/sweep_spec.h"

namespace steergrid {

std::string_view name_of(CoefficientUnit unit) {
  return unit == CoefficientUnit::Multiplier ? "multiplier" : "residual_norm";
}

std::string_view name_of(Positions positions) {
  return positions == Positions::InstructionEnd ? "instruction_end" : "all";
}

std::string_view name_of(ActivationStore store) {
  switch (store) {
    case ActivationStore::None: return "none";
    case ActivationStore::Float16: return "float16";
    case ActivationStore::Float32: return "float32";
  }
  return "?";
}

}  // namespace steergrid
