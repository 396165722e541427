"""problems.py -- what can be wrong with a store, and how the reader says so.

Each problem is one sentence that names the file and, where bytes are at fault, the offset of the first bad one.
The exit codes are those of the tool `holter`: 3 damage, 4 not found, 1 everything else.
"""


class Problem(Exception):
    """A store that this reader cannot or must not read."""

    exit_code = 1


class Damage(Problem):
    """Bytes that no writer of this format wrote, or files that do not fit each other."""

    exit_code = 3


class Newer(Problem):
    """A newer format, or a part of one that must be understood."""


class Denied(Problem):
    """A keyring that is missing, readable by others, or another store's; a key that is not there."""


class NotFound(Problem):
    """No store there."""

    exit_code = 4


def damage(file, offset, sentence):
    """The exception for bad bytes at `offset` of `file`, for the caller to raise."""
    return Damage(f"{file}: offset {offset}: {sentence}")
