"""Compares the findings of checkov with the reviewed exceptions: both must be the same."""

import json
import sys
from pathlib import Path


def exceptions(file):
    """(check, file) → reason."""
    found = {}
    for line in Path(file).read_text().splitlines():
        if line and not line.startswith("#"):
            check, where, reason = (*line.split(maxsplit=2), "", "")[:3]
            if not reason:
                sys.exit(f"{file}: {check} has no reason")
            if (check, where) in found:
                sys.exit(f"{file}: {check} is listed twice for {where}")
            found[check, where] = reason
    return found


def main():
    allowed, reports = exceptions(sys.argv[1]), sys.argv[2:]
    met, wrong, passed = set(), [], 0
    for report in reports:
        report = json.loads(Path(report).read_text())
        summary, results = report["summary"], report["results"]
        passed += summary["passed"]
        if summary["parsing_errors"] or not summary["passed"]:
            wrong.append(f"checkov did not read everything: {summary} {results.get('parsing_errors')}")
        for finding in results["failed_checks"]:
            key = finding["check_id"], Path(finding["file_path"]).name
            met.add(key)
            if key not in allowed:
                wrong.append(f"{key[0]} {key[1]}: {finding['resource']}: {finding['check_name']}")
        # Exceptions belong in one file.
        wrong += [f"{one['check_id']} is skipped in {one['file_path']} itself" for one in results["skipped_checks"]]
    wrong += [f"{check} {where}: the exception is no longer needed" for check, where in sorted(allowed.keys() - met)]
    print("\n".join(sorted(wrong)) or f"{passed} checks passed, {len(met)} exceptions")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
