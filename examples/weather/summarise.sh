#!/bin/sh
# Twelve lines for one city and year: month, mean of the daily highs, lowest low, precipitation in all, wet days.
# usage: summarise.sh DATA.csv OUT.tsv
set -eu
mkdir -p "$(dirname "$2")"
awk -F, -v name="$(basename "$1" .csv)" '
    NR == 1 { next }
    {
        month = substr($1, 1, 7)
        days[month]++; high[month] += $3; rain[month] += $2; wet[month] += ($2 >= 1)
        if (!(month in low) || $4 + 0 < low[month]) low[month] = $4 + 0
    }
    END {
        city = name; sub(/-[0-9]+$/, "", city)
        for (month in days)
            printf "%s\t%s\t%.1f\t%.1f\t%.1f\t%d\n", city, month, high[month] / days[month], low[month], rain[month], wet[month]
    }' "$1" | sort > "$2.part"
# Readers see the whole file or none of it.
mv "$2.part" "$2"
echo "$(wc -l < "$2" | tr -d ' ') months"
