"""files.py -- whole files as bytes, and the names in a directory."""

import os

from problems import Problem


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Problem(f"{path}: cannot be read: {error.strerror}") from error


def names_in(directory):
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        raise Problem(f"{directory}: cannot be listed: {error.strerror}") from error
