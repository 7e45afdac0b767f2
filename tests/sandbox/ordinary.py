"""Functions in a workshop, as whoever runs this script; what came of them, as JSON."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import stat
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LOOP = f"""#!/usr/bin/{PYTHON}
import http.client, os
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None):
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    answer = connection.getresponse()
    return answer, answer.read()
while True:
    answer, event = ask("GET", "next")
    ask("POST", answer.getheader("Lambda-Runtime-Aws-Request-Id") + "/response", b"[" + event + b"]")
"""
FILL = """
import errno
def handler(event, context):
    try:
        with open("/tmp/x", "wb") as file:
            for mb in range(event): file.write(bytes(1 << 20)); file.flush()
    except OSError as problem:
        return errno.errorcode[problem.errno], mb
    return "written", event
"""
NODE = "exports.handler = async (event, context) => [event, process.version, context.functionName]"
WHO = "import os\ndef handler(event, context): return [event, os.getuid(), sorted(os.listdir('/proc/self/fd')), os.listdir('/var/task')]"


def function(key: str, files: dict[str, str], **members: Any) -> Any:
    from fogbank.sandbox.function import Code, Function

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(entry, content)
    content = packed.getvalue()
    usual: dict[str, Any] = {
        "key": key,
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
        "name": "f",
        "version": "$LATEST",
        "account": "123456789012",
        "region": "eu-west-1",
        "runtime": PYTHON,
        "handler": "app.handler",
        "code": Code(hashlib.sha256(content).hexdigest(), lambda: content),
        "layers": (),
        "environment": {},
        "memory_mb": 256,
        "timeout_ms": 30_000,
        "tmp_mb": 16,
        "log_group": "/aws/lambda/f",
    }
    return Function(**{**usual, **members})


async def main(node: str) -> None:
    from fogbank.sandbox.function import Credentials, Invocation
    from fogbank.sandbox.workshop import Workshop

    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop("namespaces", asyncio.get_running_loop(), tell=lambda lines: None, folder=Path(folder) / "shelf")

        async def invoke(of: Any, event: Any) -> list[Any]:
            over = asyncio.get_running_loop().create_future()
            workshop.invoke(of, Invocation("r", json.dumps(event).encode(), Credentials("A", "S", "T", 1 << 50)), over.set_result)
            outcome = await asyncio.wait_for(over, 90)
            return [outcome.payload.decode(), outcome.error_type, outcome.refused, outcome.cold]

        who = function("who", {"app.py": WHO})
        said = {"python": await invoke(who, 1), "warm": await invoke(who, 2)}
        said["node"] = await invoke(function("node", {"app.js": NODE}, runtime=node), 3) if node else []
        said["provided"] = await invoke(function("provided", {"bootstrap": LOOP}, runtime="provided.al2023"), 4)
        sleeper = function("sleeper", {"app.py": "import time\ndef handler(e, c): time.sleep(60)"}, timeout_ms=600)
        said["timeout"] = await invoke(sleeper, 0)
        eater = function("eater", {"app.py": "def handler(e, c):\n    kept = []\n    while True: kept.append(bytearray(1 << 22))"})
        said["memory"] = await invoke(eater, 0)
        filler = function("filler", {"app.py": FILL})
        said["tmp"] = await invoke(filler, 40)
        said["after"] = await invoke(who, 5)
        workshop.close()
        while workshop._tasks - {asyncio.current_task()}:
            await asyncio.sleep(0.01)
            if not os.path.exists(Path(folder) / "shelf"):
                break
    print(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
