// What a result file remembers of its making: under which identity it runs (backend, instruction set, GEMM library,
// dtypes, tensor parallelism), by which build, by which plan; and the check that a later launch fits.
//
// Everything here is plain text and needs no MPI; reading uses the serial driver. Only rank 0 calls `check_output`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace steergrid::store {

/// What may change a bit of the results without being in the spec.
struct RunIdentity {
  struct Model {
    std::string name, dtype, residual;
    int tensor_parallel = 1;
  };
  std::string backend;                     // "cpu", "cuda"
  std::map<std::string, std::string> isa;  // by dtype: the instruction set or GPU architecture of its GEMM kernels
  std::string gemm;                        // library and version
  std::vector<Model> models;
};

RunIdentity run_identity(const Plan& plan, const SweepSpec& spec, std::string backend,
                         std::map<std::string, std::string> isa, std::string gemm);
std::string to_json(const RunIdentity& identity);

/// One line a difference ("isa.float32: file avx512, this run avx2"); empty where they are the same. Throws Error if
/// `file` is no JSON object.
std::vector<std::string> identity_differences(const std::string& file, const std::string& ours);
/// The same of what may differ between units of equal content: backend, GEMM library, and the instruction sets of the
/// dtypes that both compute with. A model's dtype and degree are in its units' content.
std::vector<std::string> machine_differences(const std::string& file, const std::string& ours);

/// What is stored beside plan and spec when the file is created, and compared when it is opened again.
struct Provenance {
  std::string identity;                    // to_json(RunIdentity)
  std::string plan_text;                   // the plan as lines of text (plan/identity.h), for telling what differs
  std::string tool_version, git_revision;  // of this build
  std::string created;                     // ISO 8601
};

/// Provenance with this build's version and revision and the current time.
Provenance provenance(std::string identity, std::string plan_text);

/// What `auto` meant when the file was created, by model name: to be used again, whatever this machine would choose.
struct StoredChoice {
  DType dtype = DType::Float32;
  int tensor_parallel = 1;
};
/// nullopt: there is no such file yet. Throws Error (bad input) if it is not a result file of this format version, or
/// nobody can tell.
std::optional<std::map<std::string, StoredChoice>> stored_choices(const std::string& path);

/// Throws Error (bad input) with the lines that differ if the existing file `path` belongs to another plan; `plan_text`
/// is this one's (plan/identity.h).
void check_plan_of(const std::string& path, const Plan& plan, const std::string& plan_text);

/// Throws Error (bad input) with the lines that differ if the existing file `path` belongs to another plan, if its
/// datasets are not those of the plan, or, without `allow_mixed`, if it was made under another identity. Returns
/// whether the identity differs (then records are flagged).
bool check_output(const std::string& path, const Plan& plan, const SweepSpec& spec, const Provenance& provenance,
                  bool allow_mixed);

}  // namespace steergrid::store
