"""The languages that functions are written in: how each is found on this machine, and what is put into the box for it.

`pythons.py`, `nodes.py` and `javas.py` look for an interpreter and say how it is started; the folders `python`, `node` and `java` hold
what runs inside. `launcher.py` runs inside as well, where extensions are started along with the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fogbank.sandbox.box import Mount, Zygote


class NotHere(LookupError):
    """The machine lacks what this runtime needs; the sentence says what to install."""


class Runtime(NamedTuple):
    """How code is started.

    command      paths inside; /var/runtime is `folder`
    version      with its number ("python:3.11.7")
    zygotes      kept warm; the second also has AWS's SDK imported. Empty where the language has none
    """

    command: tuple[str, ...]
    version: str
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = {}
    zygotes: tuple[Zygote, ...] = ()


def under_system(folder: str) -> bool:
    """Whether a folder is in a box anyway."""
    return folder == "/usr" or folder.startswith("/usr/")
