#!/usr/bin/env bash
# Proves that a hit, a miss, an insertion with eviction, an overwrite and a hit with a lifetime cost no more instructions than
# benches/instructions.limits says. Callgrind counts them, so the machine's load and speed do not matter.
# After a change for the better, lower the limits: .ci/25-instructions.sh --write
set -eu
cd "$(dirname "$0")/.."
limits=benches/instructions.limits
.ci/need valgrind
binary=$(cargo bench --bench instructions --no-run 2>&1 | tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))$/\1/p')

instructions() {
    env -i valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$@" 2>&1 | sed -n 's/.*Collected : //p'
}

# In hundredths: 40,000 times, less what goes before and after.
cost() { echo $((($(instructions "$1" 60000) - $(instructions "$1" 20000)) / 400)); }

if [ "${1:-}" = --write ]; then
    for operation in get-hit get-hit-ttl get-hit-pinned get-or-load-hit get-miss insert overwrite; do
        awk -v name="$operation" -v cost="$(cost "$operation")" 'BEGIN { printf "%s %.0f\n", name, cost * 1.03 / 100 }'
    done | tee "$limits"
    exit
fi

bad=0
while read -r operation limit; do
    now=$(cost "$operation")
    printf '%-16s %4d.%02d instructions, limit %d\n' "$operation" $((now / 100)) $((now % 100)) "$limit"
    [ "$now" -gt 0 ] && [ "$now" -le $((limit * 100)) ] || bad=1
done <"$limits"
[ "$bad" -eq 0 ] || { echo "an operation costs more than its limit in $limits"; exit 1; }
