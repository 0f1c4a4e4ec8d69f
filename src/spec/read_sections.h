// The sections of a spec that are lists of maps: behaviors, runs, models; and the method, which names behaviors. Called
// by read_spec only, in this order: runs name behaviors, models name runs.
#pragma once

#include "spec/field.h"
#include "spec/sweep_spec.h"

namespace steergrid {

/// Each behavior gives a vector source and, with `questions`, a run of the same name.
void read_behaviors(const Field& field, SweepSpec& spec);
void read_runs(const Field& field, SweepSpec& spec);
void read_models(const Field& field, SweepSpec& spec);
void read_method(const Field& field, SweepSpec& spec);

}  // namespace steergrid
