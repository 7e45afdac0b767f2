"""The program: finds its own folder, whoever started the interpreter."""

import importlib
import os
import sys

sys.path.insert(0, os.environ.get("LAMBDA_RUNTIME_DIR", "/var/runtime"))
importlib.import_module("fogbank_runtime.bootstrap").main()
