"""standing.py -- which rows stand (format-spec/columns.md, "Tombstones" and "Which rows stand")."""

from collections import defaultdict
from dataclasses import dataclass

from columns import INTERVAL, NO_KEY


@dataclass
class Sample:
    time: int
    duration: int  # None for instants
    flags: int
    revision: int
    values: tuple
    sequence: int  # of the commit; of rows in a segment its greatest
    key: object    # None without a key field


class User:
    """Everything that one user's rows and tombstones say, gathered from all files in any order."""

    def __init__(self):
        self.tombstones = []
        self.series = defaultdict(list)  # (metric, source) -> samples

    def add_rows(self, metric, source, schema, rows, revision, sequence):
        """`revision` of every row, or None where the rows have their own."""
        samples = self.series[metric, source]
        for index, time in enumerate(rows.time):
            values = tuple(column[index] for column in rows.fields)
            samples.append(Sample(
                time, rows.duration[index] if schema.kind == INTERVAL else None, rows.flags[index],
                rows.revision[index] if revision is None else revision, values, sequence,
                None if schema.key_field == NO_KEY else values[schema.key_field]))

    def standing(self, metric, source):
        """The samples of a series that stand, by rising time and key."""
        veils = [t for t in self.tombstones if t.metric in (0, metric) and t.source in (0, source)]
        best = {}
        for sample in self.series[metric, source]:
            if any(hides(tombstone, sample) for tombstone in veils):
                continue
            identity = (sample.time, sample.key)
            other = best.get(identity)
            if other is None or (other.revision, other.sequence) <= (sample.revision, sample.sequence):
                best[identity] = sample
        return [best[identity] for identity in sorted(best)]


def hides(tombstone, sample):
    if not tombstone.begin <= sample.time < tombstone.end:
        return False
    if tombstone.revision == 0:
        return sample.sequence < tombstone.sequence
    return (sample.revision, sample.sequence) < (tombstone.revision, tombstone.sequence)
