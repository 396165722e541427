"""records.py -- the records that the bodies of catalog and vault consist of: kind, length, payload."""

from cursor import Cursor
from problems import Newer

SKIPPABLE = 128  # kinds from here on may be skipped


def records(body, known, what):
    """The records of one body as (kind, cursor over the payload), those that may be skipped left out."""
    while body.left:
        at = body.at
        kind = body.u8()
        count = body.varint()
        payload_at = body.at
        payload = Cursor(body.take(count), body.file, body.base + payload_at)
        body.check(kind != 0, "a record of kind 0", at)
        if kind >= SKIPPABLE:
            continue
        if kind not in known:
            raise Newer(f"{body.file}: offset {body.base + at}: {what} record of kind {kind}, "
                        f"which this reader does not know")
        yield kind, payload
