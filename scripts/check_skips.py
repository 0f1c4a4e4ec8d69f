#!/usr/bin/env python3
"""Counts the tests in JUnit files and fails on a skip that tests/expected_skips.txt does not list.

usage: check_skips.py EXPECTED JUNIT.xml...
A line of EXPECTED is a pattern of test names ('*' matches anything), then optionally '# reason'. Lines whose reason is
"reference data" count only where STEERGRID_REFERENCE_DATA is not set. Prints one line that a person and a machine can
read: "N passed, N failed, N skipped".
"""

import os
import sys
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatchcase
from pathlib import Path


def outcomes(path: Path):
    """(name, 'passed' | 'failed' | 'skipped') of every test in a JUnit file."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        kinds = {child.tag for child in case}
        if case.get("status") == "notrun" or "skipped" in kinds:
            yield name, "skipped"
        elif "failure" in kinds or "error" in kinds or case.get("status") == "fail":
            yield name, "failed"
        else:
            yield name, "passed"


def main(expected: str, *files: str) -> int:
    lines = [[part.strip() for part in line.split("#", 1)] for line in Path(expected).read_text().splitlines()]
    has_data = bool(os.environ.get("STEERGRID_REFERENCE_DATA"))
    allowed = [line[0] for line in lines if line[0] and not (has_data and line[1:] == ["reference data"])]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    unexpected = []
    for file in files:
        for name, outcome in outcomes(Path(file)):
            count[outcome] += 1
            if outcome == "skipped" and not any(fnmatchcase(name, pattern) for pattern in allowed):
                unexpected.append(name)
    for name in unexpected:
        print(f"skipped, but not listed in {expected}: {name}")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if unexpected or count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
