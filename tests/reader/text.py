"""text.py -- the kinds of strings that the pages know (catalog.md, "Conventions"; vault.md, "User")."""

import re

_IDENTIFIER = re.compile(rb"[a-z][a-z0-9_]*")
_REGION = re.compile(rb"[a-z0-9][a-z0-9-]*")
_CODE = re.compile(rb"[\x21-\x7e]*")


def is_utf8(data):
    """Shortest form, no surrogates, up to U+10FFFF: what Python's strict decoder takes."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read_identifier(c):
    return _read(c, 1, 63, _IDENTIFIER.fullmatch, "an identifier")


def read_region_name(c):
    return _read(c, 1, 63, _REGION.fullmatch, "a region's name")


def read_code(c, least=0):
    return _read(c, least, 63, _CODE.fullmatch, "a code")


def read_words(c, least=0, most=63):
    return _read(c, least, most, lambda data: is_utf8(data) and not any(b < 0x20 or b == 0x7F for b in data), "words")


def _read(c, least, most, is_allowed, what):
    at = c.at
    data = c.string()
    c.check(least <= len(data) <= most, f"{what} of {len(data)} bytes, {least} to {most} expected", at)
    c.check(is_allowed(data), f"{what} has bytes that are not allowed", at)
    return data
