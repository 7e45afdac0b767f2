"""`python -m fogbank.engines.volume FOLDER`: see the room's tour."""

from __future__ import annotations

import fcntl
import gc
import json
import signal
import sys
import traceback
from pathlib import Path

from fogbank.engines.prompt import be_prompt
from fogbank.engines.volume.control import Control
from fogbank.engines.volume.loop import Loop
from fogbank.engines.volume.volume import Volume


def main(folder: Path, kind: type[Volume] = Volume) -> None:
    """Until SIGTERM."""
    settings = json.loads((folder / "settings.json").read_text())
    lock = open(folder / "lock", "w")  # noqa: SIM115  (held as long as we live)
    fcntl.flock(lock, fcntl.LOCK_EX)
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    be_prompt()
    loop = Loop()
    volume = kind(folder, settings["volume"], Path(settings["fleet"]), settings.get("system", ""), loop)

    if settings.get("gated"):
        volume.upstream.gate = 0

    def serve() -> None:
        control = Control(folder / "control", loop, volume)
        volume.noticed = control.tell
        volume.readers.listen()
        ready.touch()
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def fail(error: Exception) -> None:
        traceback.print_exception(error)
        sys.exit(1)

    def end(*_: object) -> None:
        loop.ended = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    volume.ready.then(lambda _: serve())
    volume.recovering.then(lambda done: None if done.error is None else fail(done.error))
    try:
        loop.run()
    finally:
        for path in ("ready", "control", ".s.PGSQL.5432", "volume.sock"):
            (folder / path).unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
