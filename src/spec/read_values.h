// Readings of single values of a spec: selections, coefficients, paths, data sets. Each reports what does not fit and
// gives nothing then. Called by read_sections and read_spec only.
#pragma once

#include <optional>
#include <string>

#include "spec/field.h"
#include "spec/sweep_spec.h"

namespace steergrid {

std::optional<LayerSelection> read_layers(const Field& field);
/// `unit` is theirs where they name none: a model's and a run's inherit the sweep's.
std::optional<Coefficients> read_coefficients(const Field& field, CoefficientUnit unit);
std::optional<Positions> read_positions(const Field& field);

/// An absolute, normalized path; relative ones start at the spec's folder, "~/" is the home folder. Control
/// characters are refused: no name of a file needs them, and one with a newline would pass for two lines.
std::optional<std::string> read_path(const Field& field, std::string_view what);

/// A path, or {file, limit}: the data set it names, read and checked.
std::optional<DataSet> read_items(const Field& field);

}  // namespace steergrid
