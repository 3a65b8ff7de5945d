#!/usr/bin/env python3
"""Tells if a new build of the command `hidet` has slower kernels than an old one, on one GPU.

    benches/old_and_new.py OLD NEW [--runs 7] [--csv FILE] -- KERNELS AND OPTIONS OF `hidet bench`

Runs `OLD bench ..` and `NEW bench ..` interleaved, and OLD a second time in each round, which shows how much the old build
differs from itself. For each kernel and shape it prints the median of the medians, the ratio new/old, and the spread: the
distance of the medians of the two old series, or half the interquartile range of both, whichever is larger. A kernel is slower
if the ratio exceeds both 1.01 and 1 plus two spreads; then the exit status is 1.
"""

import argparse
import csv
import re
import statistics
import subprocess
import sys
import tempfile


def is_baseline(row):
    """Builds before the column was renamed call it `rival`."""
    return row.get("baseline", row.get("rival")) == "true"


def measure(command, arguments):
    """Median times in ms by (name, shape), and the GPU."""
    # Builds before the option was renamed call it `--turn`.
    if "--slice" in arguments and "--slice" not in subprocess.run([command, "bench", "--help"], capture_output=True, text=True).stdout:
        arguments = ["--turn" if word == "--slice" else word for word in arguments]
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        done = subprocess.run([command, "bench", *arguments, "--csv", file.name], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{command} bench {' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        with open(file.name, newline="") as text:
            rows = list(csv.DictReader(text))
    if not rows:
        # `bench launch` prints a table in microseconds, and no rows of CSV.
        found = re.findall(r"^(\S.*: Kernel::\S+)\s+([\d.]+)\s", done.stdout, re.MULTILINE)
        return {(name, "200 launches"): float(time) / 1e3 for name, time in found}, "host times of launches"
    times = {(row["name"], row["shape"]): float(row["median_ms"]) for row in rows if not is_baseline(row)}
    return times, rows[0]["gpu"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--csv")
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    arguments = words[at + 1 :]
    options = parser.parse_args(words[:at])
    series = {"old": [], "new": [], "again": []}
    gpu = ""
    for run in range(options.runs):
        # The order alternates, so that no build always runs first.
        order = [("old", options.old), ("new", options.new), ("again", options.old)]
        for name, command in order if run % 2 == 0 else reversed(order):
            times, gpu = measure(command, arguments)
            series[name].append(times)
    print(f"{gpu}, {options.runs} runs of each\n")
    print(f"{'kernel':<40} {'shape':<16} {'old ms':>10} {'new ms':>10} {'new/old':>8} {'spread':>8}")
    rows, slower = [], 0
    for key in series["old"][0]:
        samples = {name: [times[key] for times in runs] for name, runs in series.items()}
        median = {name: statistics.median(values) for name, values in samples.items()}
        old = sorted(samples["old"] + samples["again"])
        quarter = len(old) // 4
        middle = (old[-1 - quarter] - old[quarter]) / 2
        base = statistics.median(old)
        spread = max(abs(median["old"] - median["again"]), middle) / base
        ratio = median["new"] / base
        verdict = ratio > 1.01 and ratio > 1 + 2 * spread
        slower += verdict
        mark = "  SLOWER" if verdict else ""
        print(f"{key[0]:<40} {key[1]:<16} {base:>10.5f} {median['new']:>10.5f} {ratio:>8.4f} {spread:>8.4f}{mark}")
        rows.append([gpu, key[0], key[1], options.runs, f"{base:.6f}", f"{median['new']:.6f}", f"{ratio:.5f}", f"{spread:.5f}"])
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["gpu", "name", "shape", "runs", "old_ms", "new_ms", "ratio", "spread"])
            table.writerows(rows)
    print(f"\n{slower} of {len(rows)} slower")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
