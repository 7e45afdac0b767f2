"""The archiver's other end: one order at a time to a process that comes when there is work and goes when there is none."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

from fogbank.store.archiver import DONE


class Archivist:
    """Starts the archiver, gives it an order, and learns when that is done."""

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self._arguments = [sys.executable, "-m", "fogbank.store.archiver", str(folder), *(["--sync"] if sync else [])]
        self._process: subprocess.Popen[bytes] | None = None
        self._order = b""

    @property
    def busy(self) -> bool:
        return bool(self._order)

    def order(self, line: bytes) -> None:
        """Gives an order (JSON, see `archiver`); there must be none under way."""
        self._order = line
        self._give()

    def _give(self) -> None:
        process = self._process
        if process is None:
            process = self._process = subprocess.Popen(self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert process.stdin is not None
        try:
            process.stdin.write(self._order + b"\n")
        except BrokenPipeError:  # it has just gone for want of work: what it says next is the end
            pass

    def finished(self, *, wait: bool = False) -> bool | None:
        """True: the order is done. False: it failed. None: it is under way."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], None if wait else 0)[0]:
            return None
        said = os.read(process.stdout.fileno(), 64)
        if said == DONE:
            self._order = b""
            return True
        self._process = None
        process.communicate()
        if not said and process.returncode == 0:  # it went before it had read the order
            self._give()
            return self.finished(wait=wait)
        self._order = b""
        return False

    def close(self) -> None:
        """Lets it finish what it is doing."""
        if self._process is not None:
            self._process.communicate()
            self._process = None
