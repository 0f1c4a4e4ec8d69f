"""The order in the house, as CONTRIBUTING.md states it: floors, confined headers, twins, sizes.

Reads the sources as text; nothing is built.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Which folders a folder may include. `kernels` stands beside src/.
MAY_INCLUDE = {
    "base": set(),
    "kernels": {"base"},
    "spec": {"base"},
    "plan": {"spec", "base"},
    "batch": {"plan", "spec", "base"},
    "comm": {"kernels", "base"},
    "engine": {"kernels", "comm", "base"},
    "farm": {"plan", "comm", "base"},
    "store": {"plan", "spec", "comm", "base"},
    "steer": {"engine", "plan", "spec", "comm", "kernels", "base"},
    "app": {"steer", "farm", "store", "engine", "batch", "plan", "spec", "comm", "kernels", "base"},
}

# Third-party headers and the only places that may name them (paths relative to the root, regular expressions).
CONFINED = {
    r"yaml-cpp/": r"src/spec/[a-z_]+\.cpp",
    r"hdf5": r"src/store/hdf5\.h",
    r"mpi\.h": r"src/(comm/[a-z_]+\.(cpp|h)|store/hdf5\.h)",
    r"nccl\.h": r"src/comm/nccl_[a-z]+\.cpp",
    r"(cuda|cublas)": r"(kernels/cuda/.*|src/comm/nccl_[a-z]+\.cpp)",
    r"dnnl": r"kernels/cpu/.*",
    r"nlohmann/": r"(src|tests)/.*\.cpp",
    r"sentencepiece": r"src/engine/tokenizer\.cpp",
    r"CLI/": r"src/app/.*",
}

MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def sources():
    for folder in ("src", "kernels"):
        yield from sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in {".h", ".cpp", ".cu", ".cuh"})


def folder_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return "kernels" if parts[0] == "kernels" else parts[1]


def includes(path: Path):
    for line in path.read_text().splitlines():
        if match := re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line):
            yield match.group(1), match.group(2)


def test_there_are_sources_to_look_at():
    assert len(list(sources())) > 50


def test_every_folder_includes_only_floors_below_it():
    wrong = []
    for path in sources():
        folder = folder_of(path)
        for bracket, name in includes(path):
            target = name.split("/")[0]
            if bracket == '"' and target != folder and target not in MAY_INCLUDE[folder]:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_no_two_files_include_each_other():
    graph = {}
    for path in sources():
        base = ROOT if folder_of(path) == "kernels" else ROOT / "src"
        name = str(path.relative_to(base))
        graph[name] = {n for b, n in includes(path) if b == '"'}
    state = {}

    def visit(node, trail):
        if state.get(node) == "done" or node not in graph:
            return
        assert state.get(node) != "open", f"cycle: {' -> '.join(trail + [node])}"
        state[node] = "open"
        for child in graph[node]:
            visit(child, trail + [node])
        state[node] = "done"

    for node in list(graph):
        visit(node, [])


def test_third_party_headers_stay_where_they_belong():
    wrong = []
    for path in sources():
        relative = str(path.relative_to(ROOT))
        for bracket, name in includes(path):
            for header, place in CONFINED.items():
                if bracket == "<" and re.match(header, name) and not re.fullmatch(place, relative):
                    wrong.append(f"{relative} includes {name}")
    assert not wrong


def test_yaml_is_known_to_one_file():
    users = [p for p in sources() if any(n.startswith("yaml-cpp/") for _, n in includes(p))]
    assert len(users) == 1


def test_no_source_asks_for_a_backend_or_a_platform():
    wrong = []
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong


def test_every_cuda_kernel_has_a_cpu_twin_of_the_same_stem():
    cuda = {p.stem for p in (ROOT / "kernels/cuda").glob("*.cu")}
    cpu = {p.stem for p in (ROOT / "kernels/cpu").glob("*.cpp")}
    assert cuda <= cpu, f"no CPU twin for {sorted(cuda - cpu)}"


def test_headers_open_with_a_comment_that_says_what_they_are():
    wrong = [p for p in sources() if p.suffix == ".h" and not p.read_text().startswith("//")]
    assert not wrong


@pytest.mark.parametrize("folder", ["src", "kernels", "tests", "analysis", "scripts", "benchmarks", "jobs"])
def test_files_stay_short(folder):
    suffixes = {".h", ".cpp", ".cu", ".cuh", ".py", ".sh"}
    long = []
    for path in (ROOT / folder).rglob("*"):
        if path.suffix in suffixes:
            lines = len(path.read_text().splitlines())
            if lines > MAX_LINES:
                long.append(f"{path.relative_to(ROOT)}: {lines} lines")
    assert not long


def function_lengths(path: Path):
    """(line, length) of brace blocks that open at the end of a definition's line, as clang-format writes them."""
    start = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if start is None and re.match(r"(  )?[^\s#/}].*\) ?(const)? ?(noexcept)? ?(override)? ?(try )?\{$", line):
            start, indent = number, len(line) - len(line.lstrip())
        elif start is not None and re.match(rf"\s{{{indent}}}\}}", line) and not line[indent + 1 :].startswith(" else"):
            yield start, number - start + 1
            start = None


def test_functions_stay_short():
    long = []
    for path in sources():
        for line, length in function_lengths(path):
            if length > MAX_FUNCTION_LINES:
                long.append(f"{path.relative_to(ROOT)}:{line}: {length} lines")
    assert not long


def test_nothing_is_called_utils():
    assert not [p for p in ROOT.rglob("*util*") if "build" not in p.parts and ".venv" not in p.parts and ".git" not in p.parts]
