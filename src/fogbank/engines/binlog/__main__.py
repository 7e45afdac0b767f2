"""`python -m fogbank.engines.binlog FOLDER`: see the room's tour."""

from __future__ import annotations

import sys
from pathlib import Path

from fogbank.engines.binlog.volume import BinlogVolume
from fogbank.engines.volume.__main__ import main

if __name__ == "__main__":
    main(Path(sys.argv[1]), BinlogVolume)
