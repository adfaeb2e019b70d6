#!/bin/sh
# Fuzzes parser and store: fuzz/run.sh SECONDS [TARGET], where TARGET is parse, dates, urls, html, encodings or frames; all
# of them without it.
#
# Needs nothing but the pinned toolchain and a C++ compiler for libFuzzer: the instrumentation is LLVM's own, switched on by
# flags that stable compilers know. What was found lies in fuzz/artifacts/TARGET; run it again with
# `fuzz/target/x86_64-unknown-linux-gnu/release/TARGET FILE`. Inputs worth keeping collect in fuzz/corpus/TARGET.
set -eu
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET]}
here=$(cd "$(dirname "$0")" && pwd)
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/target}"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
 -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# With a target given, build scripts and macros stay without instrumentation.
${CARGO:-cargo} build --release --manifest-path "$here/Cargo.toml" --target "$host"
for target in ${2:-parse dates urls html encodings frames}; do
    mkdir -p "$here/corpus/$target" "$here/artifacts/$target"
    "$CARGO_TARGET_DIR/$host/release/$target" "$here/corpus/$target" "$here/seeds/$target" \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -dict="$here/markup.dict" -artifact_prefix="$here/artifacts/$target/"
done
