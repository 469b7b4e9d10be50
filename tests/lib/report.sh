# Stages and their results. Sourced by tests/run.
# shellcheck shell=sh

passed=0
failed=0
skipped=0
# Files, because a stage's output goes through a pipe, and so may run in a subshell.
report=$(mktemp -d)
for list in skips failures summaries times; do
    : >"$report/$list"
done

# skip COUNT WHAT REASON: counts what is not tested, and keeps the reason for the end.
skip() {
    skipped=$((skipped + $1))
    printf '  %s: %s\n' "$2" "$3" >>"$report/skips"
}

# run_stage NAME COMMAND...: runs it, shows and keeps its output, sets $code.
run_stage() {
    stage=$1
    shift
    printf '\n=== %s\n' "$stage"
    began=$(date +%s)
    {
        "$@" 2>&1 </dev/null
        echo $? >"$report/code"
    } | tee "$report/output"
    code=$(cat "$report/code")
    took=$(($(date +%s) - began))
    if [ "$code" -eq 0 ]; then word=ok; else word=FAILED; fi
    printf '=== %s: %s in %s s\n' "$stage" "$word" "$took"
    printf '  %5s s  %-6s  %s\n' "$took" "$word" "$stage" >>"$report/times"
    [ "$code" -eq 0 ] || printf '  %s\n' "$stage" >>"$report/failures"
}

# check NAME COMMAND...: a stage that is one test.
check() {
    run_stage "$@"
    if [ "$code" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# suite NAME COMMAND...: a stage that says how many tests it ran, in nextest's, cargo's or our words. A line
# that starts with `skipped ` says what was not tested, and why.
suite() {
    run_stage "$@"
    # Colours, where a terminal gets them, are no part of the numbers.
    sed 's/\x1b\[[0-9;]*m//g' "$report/output" |
        grep -E '^ *Summary \[|^test result: |^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' \
            >"$report/lines" || :
    sed -n "s/^ *Summary/  $stage: Summary/p" "$report/lines" >>"$report/summaries"
    failed_before=$failed
    passed=$((passed + $(count passed)))
    failed=$((failed + $(count failed) + $(count 'timed out')))
    unrun=$(($(count skipped) + $(count ignored)))
    if [ "$unrun" -gt 0 ] && grep -q '^skipped ' "$report/output"; then
        skipped=$((skipped + unrun))
        sed -n "s/^skipped /  $stage: skipped /p" "$report/output" >>"$report/skips"
    elif [ "$unrun" -gt 0 ]; then
        skip "$unrun" "$stage" "$unrun marked as long or ignored; --full runs the long ones"
    fi
    # It may fail before, or beside, its tests: a build error is one.
    if [ "$code" -ne 0 ] && [ "$failed" -eq "$failed_before" ]; then
        failed=$((failed + 1))
    fi
}

# count WORD: sums the numbers before it.
count() {
    grep -oE "[0-9]+ $1" "$report/lines" | awk '{ sum += $1 } END { print sum + 0 }'
}

# count_lacking USER FILE: tests that passed for want of something are skipped, not passed. A program that root
# could have installed is a failure.
count_lacking() {
    sort -u "$2" >"$report/lacked"
    while IFS= read -r line; do
        passed=$((passed - 1))
        case $1:$line in
        0:*'(package '*)
            failed=$((failed + 1))
            printf '  %s\n' "$line" >>"$report/failures"
            ;;
        *)
            skipped=$((skipped + 1))
            printf '  %s\n' "$line" >>"$report/skips"
            ;;
        esac
    done <"$report/lacked"
}

# start_prefetch: runs tests/lib/prefetch beside the stages, in a separate process group.
start_prefetch() {
    setsid tests/lib/prefetch >"$report/prefetched" 2>&1 </dev/null &
    prefetch=$!
}

# stop_prefetch: ends it with all that it started, and waits until it has cleaned up.
stop_prefetch() {
    [ -n "${prefetch:-}" ] || return 0
    kill -s TERM -- "-$prefetch" 2>/dev/null || :
    wait "$prefetch" 2>/dev/null || :
    prefetch=''
}

# finish: says how it went; the last line is the numbers alone.
finish() {
    printf '\n=== stages\n'
    cat "$report/times"
    if [ -s "$report/prefetched" ]; then
        printf '\n=== fetched beside the first stages\n'
        cat "$report/prefetched"
    fi
    if [ -s "$report/skips" ]; then
        printf '\n=== skipped\n'
        cat "$report/skips"
    fi
    if [ -s "$report/failures" ]; then
        printf '\n=== failed\n'
        cat "$report/failures"
    fi
    printf '\n=== nextest\n'
    cat "$report/summaries"
    printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    rm -rf "$report"
    [ "$failed" -eq 0 ]
}
