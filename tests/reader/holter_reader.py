#!/usr/bin/env python3
"""holter_reader.py -- print every standing sample of a Holter store: the second reader, written from format-spec/ alone.

    python3 tests/reader/holter_reader.py STORE [--keyring FILE] [--log auto|whole|covered]

STORE is a store at rest. The keyring is STORE.keyring where none is named; a store without sealing has none.
--log tells how a log ends (log.md, "Where the log ends"): with its last whole group, or with the last frame of which
something says that it was synced; by default the latter for logs of the running boot, the former for all others.

The canonical form, which tests/golden/dump.c prints too, byte for byte:

    user,metric,source,time_ns,duration_ns,flags,revision,fields...
    alice,heart_rate,watch,1700000000000000000,,0,0,bpm=61

One line a sample, each ended by one line feed, after a header line that is as above. Samples are sorted by the bytes of
user id, metric name and source name, then by time, then by key (ints and enums by value, texts by their bytes; these are
unique, so the order is complete). The columns:

    user, metric, source   names, escaped
    time_ns                decimal
    duration_ns            decimal; empty for metrics of kind instant
    flags, revision        decimal
    then each field of the metric, in order, as NAME=VALUE, where VALUE is of an
    int      its exact decimal: the stored integer x 10^exponent; with an exponent below 0 exactly that many digits
             after the point ("-0.05", "36.50"), else no point
    float64  its bits as 16 hexadecimal digits, the highest first, then "/", then C's "%.17g"; "nan" for every NaN
    enum     the label, escaped
    text     escaped

Escaped: bytes 0x20 to 0x7e stand for themselves, but for comma, double quote and backslash; these and all other bytes
are written as backslash, x, two lower-case hexadecimal digits.

Exit codes: 0; 1 the store cannot be read (newer format, keyring, permission); 2 usage; 3 damage was found, told on
standard error with file and offset, nothing is printed; 4 no store there.
"""

import argparse
import struct
import sys

from columns import ENUM, FLOAT, INT
from problems import Damage, Problem
from store import Store

HEADER = "user,metric,source,time_ns,duration_ns,flags,revision,fields..."
_ESCAPES = {byte: chr(byte) if 0x20 <= byte <= 0x7E and chr(byte) not in ',"\\' else f"\\x{byte:02x}"
            for byte in range(256)}


def escaped(data):
    return "".join(_ESCAPES[byte] for byte in data)


def decimal(value, exponent):
    """value x 10^exponent, exactly."""
    if exponent >= 0:
        return str(value * 10**exponent)
    digits = str(abs(value)).rjust(1 - exponent, "0")
    return f"{'-' if value < 0 else ''}{digits[:exponent]}.{digits[exponent:]}"


def float_text(bits):
    value = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return f"{bits:016x}/{'nan' if value != value else '%.17g' % value}"


def value_text(metric, field, value):
    if field.type == INT:
        return decimal(value, field.exponent)
    if field.type == FLOAT:
        return float_text(value)
    if field.type == ENUM:
        if value >= len(field.labels):
            raise Damage(f"a sample of metric {metric.number} has label {value} of {len(field.labels)}")
        return escaped(field.labels[value])
    return escaped(value)


def lines(store):
    """The samples of a store in the canonical form and order."""
    found = []
    for number, user in store.users.items():
        external_id = store.vault.users[number].external_id
        for metric_number, source in user.series:
            metric = store.catalog.metrics[metric_number]
            source_name = store.source_names[number, source]
            names = (external_id, metric.name, source_name)
            found.append((names, metric, user.standing(metric_number, source)))
    yield HEADER
    for names, metric, samples in sorted(found, key=lambda series: series[0]):
        prefix = ",".join(map(escaped, names))
        for s in samples:
            fields = [f"{escaped(field.name)}={value_text(metric, field, value)}"
                      for field, value in zip(metric.fields, s.values)]
            duration = "" if s.duration is None else s.duration
            yield f"{prefix},{s.time},{duration},{s.flags},{s.revision},{','.join(fields)}"


def main(arguments):
    parser = argparse.ArgumentParser(description="Print every standing sample of a Holter store as CSV.")
    parser.add_argument("store")
    parser.add_argument("--keyring")
    parser.add_argument("--log", choices=("auto", "whole", "covered"), default="auto")
    options = parser.parse_args(arguments)
    try:
        text = "".join(line + "\n" for line in lines(Store(options.store, options.keyring, options.log)))
    except Problem as problem:
        print(f"holter_reader: {problem}", file=sys.stderr)
        return problem.exit_code
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
