#!/bin/sh
# The means over all years for each city and month, from the summaries in a directory.
# usage: report.sh DIRECTORY
set -eu
cat "$1"/*.tsv | awk -F'\t' '
    {
        month = substr($2, 6, 2); key = $1 "\t" month
        years[key]++; high[key] += $3; rain[key] += $5; wet[key] += $6
        if (!(key in low) || $4 + 0 < low[key]) low[key] = $4 + 0
    }
    END {
        for (key in years)
            printf "%s\t%.1f\t%.1f\t%.0f\t%.1f\n", key, high[key] / years[key], low[key], rain[key] / years[key], wet[key] / years[key]
    }' | sort > "$1/report.part"
{
    printf '%-10s %5s %12s %10s %9s %9s\n' city month "mean high C" "lowest C" "rain mm" "wet days"
    awk -F'\t' '{ printf "%-10s %5s %12s %10s %9s %9s\n", $1, $2, $3, $4, $5, $6 }' "$1/report.part"
} > "$1/report.txt.part"
mv "$1/report.txt.part" "$1/report.txt"
rm "$1/report.part"
cat "$1/report.txt"
