"""Processes that end as by SIGKILL at a given place."""

from __future__ import annotations

import os


def die_at(call: int, names: tuple[str, ...]) -> None:
    """End this process just before its `call`-th call, from now on, of a function of `os` in `names`."""
    left = call

    def counted(function):
        def wrapper(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return function(*arguments, **options)

        return wrapper

    for name in names:
        setattr(os, name, counted(getattr(os, name)))
