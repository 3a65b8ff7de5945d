#!/usr/bin/env bash
# Measures the time of rustc: a clean release build of the workspace, and `cargo check` of a crate with 50 kernels after one
# file was touched. Prints seconds.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo fetch --quiet --manifest-path "$root/Cargo.toml"
start=$(date +%s.%N)
CARGO_TARGET_DIR="$work/release" cargo build --quiet --release --workspace --manifest-path "$root/Cargo.toml"
printf 'clean release build of the workspace: %.1f s\n' "$(echo "$(date +%s.%N) - $start" | bc)"

mkdir -p "$work/fifty/src"
cat > "$work/fifty/Cargo.toml" <<TOML
[package]
name = "fifty"
version = "0.1.0"
edition = "2024"

[dependencies]
hidet = { path = "$root" }

[workspace]
TOML
kernel=$(sed -n '/^kernel! {/,/^}/p' "$root/examples/03_softmax.rs")
echo 'mod other; use hidet::prelude::*;' > "$work/fifty/src/lib.rs"
echo '//! Touched.' > "$work/fifty/src/other.rs"
for i in $(seq 50); do echo "${kernel//softmax/softmax_$i}" >> "$work/fifty/src/lib.rs"; done
cp "$root/Cargo.lock" "$work/fifty/"
export CARGO_TARGET_DIR="$work/check"
cargo check --quiet --manifest-path "$work/fifty/Cargo.toml"
touch "$work/fifty/src/lib.rs"
start=$(date +%s.%N)
cargo check --quiet --manifest-path "$work/fifty/Cargo.toml"
printf 'cargo check of 50 kernels after a touch: %.1f s\n' "$(echo "$(date +%s.%N) - $start" | bc)"
