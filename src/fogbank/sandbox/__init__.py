"""The sandbox: people's code runs here, with limits that hold.

`box.py` says what a box is (one program, closed in), `function.py` what Lambda runs in boxes and how that ends.

`workshop.py` keeps a cloud's execution environments in `pools.py`: it finds a warm one for an event or has one started.
`environment.py` is the life of one, `turn.py` one invocation in it, `journal.py` and `reports.py` its log. `preparing.py` says what
it is made of, from code that `unpacking.py` lays out (`hot.py` watches a folder instead) and a runtime of `runtimes/`. Inside,
code speaks with us by AWS's interfaces: `runtime_api.py` and `extensions.py`, over HTTP that `framing.py` reads; what it prints
comes through `output.py`.

Three drivers make boxes. `namespaces.py` is Linux's own means, as root or as an ordinary user: a box has its own processes,
network, files and numbers of users; its limits hold for all that it starts; and nothing of it is left when it ends, or when the
server is killed. What does that work is a process of its own, in `warden/`. `engine.py` asks a container engine for the same, and
`bare.py` runs a plain process where neither is there. A driver's `missing` says which protections do not hold on this machine.

It is a sandbox on a shared kernel, not a virtual machine: a hole in the kernel itself is a way out.
"""

from __future__ import annotations

from .bare import Bare
from .box import CannotStart, Driver
from .engine import Engine
from .namespaces import Namespaces

CHOICES = ("auto", "strict", "namespaces", "docker", "bare")


def driver(choice: str) -> Driver:
    """The driver for `--sandbox`.

    auto        namespaces where the machine grants them, else bare
    strict      namespaces, and only if nothing is missing: else CannotStart
    """
    if choice == "docker":
        return Engine()
    if choice == "bare":
        return Bare()
    if choice not in CHOICES:
        raise CannotStart(f"There is no sandbox {choice!r}: there are {', '.join(CHOICES)}.")
    namespaces = Namespaces()
    if choice == "auto":
        return Bare() if namespaces.granted.refused else namespaces
    if namespaces.granted.refused:
        raise CannotStart(f"This machine cannot close programs in: {namespaces.granted.refused}.")
    if choice == "strict" and namespaces.missing:
        raise CannotStart("Not all limits hold on this machine: " + " ".join(namespaces.missing))
    return namespaces
