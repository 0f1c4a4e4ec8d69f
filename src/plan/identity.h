// What the results of a sweep depend on: as a text for people, as the fingerprint of a plan, and as the content
// identity of each unit.
//
// The text has one fact a line, "key: value", in an order that follows the spec's lists; it holds all that decides the
// results and what they are called, and nothing else: no comments, key order, paths. The store keeps it beside the
// fingerprint, so that a changed spec can be refused with what differs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace steergrid {

/// The canonical description of a plan: plans of equal descriptions give the same results under the same names.
std::string describe(const Plan& plan, const SweepSpec& spec);

std::uint64_t fingerprint_of(const std::string& description);

/// What differs between two descriptions, one sentence a fact: "key: was x, is now y". Empty if they are equal.
std::vector<std::string> differences(const std::string& before, const std::string& now);

/// Fills Unit::content: the identity of what a unit computes, whatever the sweep, its models and its runs are called.
/// An Evaluate unit's includes that of the vectors it adds, a Vectors unit's that of the sources it is normalized over.
void identify_units(Plan& plan, const SweepSpec& spec);

}  // namespace steergrid
