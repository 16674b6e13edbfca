#!/usr/bin/env python3
"""Checks that every crate in the build has a licence that this project may use.

The list is the one of deny.toml, so that `cargo deny check licenses` says the same. This
script needs nothing but cargo and Python's standard library.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tokens(expression):
    # Old crates write "MIT/Apache-2.0" for "MIT OR Apache-2.0".
    expression = expression.replace("/", " OR ")
    return re.findall(r"\(|\)|[A-Za-z0-9.+-]+", expression)


def allowed(expression, allow):
    """Evaluates an SPDX expression: OR needs one side, AND both, WITH belongs to its licence."""
    parts = tokens(expression)
    at = 0

    def either():
        nonlocal at
        result = both()
        while at < len(parts) and parts[at] == "OR":
            at += 1
            result = both() or result
        return result

    def both():
        nonlocal at
        result = single()
        while at < len(parts) and parts[at] == "AND":
            at += 1
            result = single() and result
        return result

    def single():
        nonlocal at
        if at >= len(parts):
            raise ValueError(expression)
        part = parts[at]
        at += 1
        if part == "(":
            result = either()
            at += 1
            return result
        if at + 1 < len(parts) and parts[at] == "WITH":
            part = f"{part} WITH {parts[at + 1]}"
            at += 2
        # "or later": the licence itself is among those to choose from.
        return part.rstrip("+") in allow

    result = either()
    if at != len(parts):
        raise ValueError(expression)
    return result


def self_test():
    allow = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC", "Unicode-3.0"}
    for expression, wanted in [
        ("MIT", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0", False),
        ("GPL-3.0 OR MIT", True),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR GPL-2.0) AND Unicode-3.0", True),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", True),
        ("AGPL-3.0-only OR SEL", False),
    ]:
        assert allowed(expression, allow) == wanted, expression


def main():
    self_test()
    deny = tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]
    allow = set(deny["allow"])
    exceptions = {e["crate"]: set(e["allow"]) for e in deny.get("exceptions", [])}
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--format-version", "1", "--locked"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout
    )
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    wrong, count = [], 0
    for package in metadata["packages"]:
        if package["id"] not in used:
            continue
        count += 1
        licence = package["license"] or ""
        extra = exceptions.get(package["name"], set())
        try:
            fine = bool(licence) and allowed(licence, allow | extra)
        except ValueError:
            fine = False
        if not fine:
            name, version = package["name"], package["version"]
            wrong.append(f"{name} {version}: {licence or 'no licence field'}")
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print("licences outside the list in deny.toml (above)", file=sys.stderr)
        return 1
    print(f"licences: {count} crates, all within the list of deny.toml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
