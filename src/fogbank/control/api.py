"""The `/_fogbank` API: clock, clone, backtrack, reset, snapshot, explain, coverage. JSON in, JSON out (but for the certificate).

    GET  /_fogbank/health                      (also /_localstack/health)
    POST /_fogbank/reset                       (also /_localstack/state/reset, /moto-api/reset)
    GET  /_fogbank/clock        POST {"advance": "15m"} | {"freeze": true} | {"resume": true}
    GET  /_fogbank/clouds       POST /_fogbank/clones {"name": "x"}      DELETE /_fogbank/clones/x
    POST /_fogbank/backtrack    {"to": "10 seconds ago" | "2026-01-31T12:00:00Z" | "@1234"}
    POST /_fogbank/snapshot     {"save": "/file"} | {"load": "/file"}
    GET  /_fogbank/explain/REQUEST-ID
    GET  /_fogbank/dead-letters POST: try them again
    GET  /_fogbank/letters                     (mails, text messages and notifications that would have left)
    POST /_fogbank/dev         {"function": "name", "folder": "/where/its/code/is"}
    GET  /_fogbank/coverage
    GET  /_fogbank/global-bundle.pem           (the authority behind the databases' certificates: sslrootcert)
    POST /_fogbank/stop

Each acts on the cloud whose port it comes in by. Off loopback they are answered to this machine only; a page of the
internet is never answered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fogbank.access.evaluate import explain
from fogbank.control.moments import moment, span_ms
from fogbank.delivery import outbox
from fogbank.gateway import cors
from fogbank.gateway.authenticate import DEFAULT_ACCOUNT
from fogbank.gateway.call import Reply, report
from fogbank.gateway.cloud import Cloud, notes
from fogbank.gateway.departures import depart
from fogbank.gateway.pipeline import Gateway
from fogbank.kernel.clock import wall_ms
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.store import snapshot
from fogbank.store.store import Problem, Store

_RESETS = ("/_fogbank/reset", "/_localstack/state/reset", "/moto-api/reset")
_HEALTHS = ("/_fogbank/health", "/_localstack/health")
MAIN = "main"
LAST_MS = 253_370_764_800_000
"""What no date can be written of any more."""


class House(Protocol):
    """What the API is in control of: the App."""

    store: Store
    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    services: tuple[str, ...]

    async def listen_beside(self, name: str) -> Cloud: ...

    async def hush(self, name: str) -> None: ...

    def letters(self, cloud: Cloud) -> list[dict[str, Any]]: ...

    def mount(self, cloud: Cloud, account: str, region: str, function: str, folder: Path | None) -> None: ...

    def coverage(self) -> dict[str, dict[str, list[str]]]: ...

    def stop(self) -> None: ...


class Refused(Exception):
    """A request that cannot be carried out; the message is for the user."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def answer(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, [("Content-Type", "application/json")], msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


class Control:
    """Takes the requests to the cloud's own paths."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, cloud: Cloud, request: HttpRequest, reply: Reply) -> bool:
        """True where the path is ours: `reply` is then called, at once or later."""
        path = request.path
        if not path.startswith(("/_fogbank/", "/_localstack/")) and path not in _RESETS:
            return False
        if request.inside:
            reply(answer({"error": "a function may not control the cloud that runs it"}, 403))
        elif "origin" in request.headers and cors.allowed(request) is None:
            reply(answer({"error": "this origin may not control the cloud"}, 403))
        elif cloud.strict and not _this_machine(request.client):
            reply(answer({"error": "a cloud that is open to other machines is controlled from its own"}, 403))
        else:
            task = self._house.loop.create_task(self._answer(cloud, request, reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, cloud: Cloud, request: HttpRequest, reply: Reply) -> None:
        try:
            action = self._action(request.method, request.path)
            found = await action(cloud, request)
            response = found if isinstance(found, HttpResponse) else answer(found)
        except Refused as problem:
            response = answer({"error": str(problem)}, problem.status)
        except (Problem, ValueError, msgspec.DecodeError, OSError) as problem:
            response = answer({"error": " ".join(str(problem).split())}, 400)
        except Exception:
            failure = report(f"{request.method} {request.path}", "", self._house.gateway.debug)
            response = answer({"error": failure.message}, 500)
        self._house.gateway.turn.say(lambda: reply(response))

    def _action(self, method: str, path: str) -> Callable[[Cloud, HttpRequest], Any]:
        if path in _HEALTHS:
            return self._health
        if path in _RESETS:
            if method != "POST":
                raise Refused("a reset is a POST", 405)
            return self._reset
        name = path.removeprefix("/_fogbank/").partition("/")[0]
        known: dict[tuple[str, str], Callable[[Cloud, HttpRequest], Any]] = {
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._set_clock,
            ("GET", "clouds"): self._clouds,
            ("POST", "clones"): self._clone,
            ("DELETE", "clones"): self._drop,
            ("POST", "backtrack"): self._backtrack,
            ("POST", "snapshot"): self._snapshot,
            ("GET", "explain"): self._explain,
            ("GET", "dead-letters"): self._dead_letters,
            ("POST", "dead-letters"): self._retry_dead_letters,
            ("GET", "letters"): self._letters,
            ("POST", "dev"): self._dev,
            ("GET", "coverage"): self._coverage,
            ("GET", "global-bundle.pem"): self._authority,
            ("POST", "stop"): self._stop,
        }
        found = known.get((method, name))
        if found is None:
            raise Refused(f"there is no {method} {path}", 404)
        return found

    @staticmethod
    def _body(request: HttpRequest) -> dict[str, Any]:
        if request.body is None:
            raise Refused("the body is too long", 413)
        body = msgspec.json.decode(request.body or b"{}")
        if not isinstance(body, dict):
            raise Refused("the body must be a JSON object")
        return body

    async def _health(self, cloud: Cloud, request: HttpRequest) -> Any:
        return {
            "status": "running",
            "cloud": cloud.name,
            "pid": os.getpid(),
            "data": str(self._house.store.folder),
            "sequence": self._house.store.sequence,
            "strict": cloud.strict,
            "services": dict.fromkeys(self._house.services, "available"),
        }

    async def _reset(self, cloud: Cloud, request: HttpRequest) -> Any:
        self._house.store.reset(cloud.name, cloud.clock.now_ms())
        cloud.awake()
        self._house.gateway.turn.schedule()
        return {"cloud": cloud.name, "sequence": self._house.store.sequence}

    async def _clock(self, cloud: Cloud, request: HttpRequest) -> Any:
        return {"now_ms": cloud.clock.now_ms(), "running": cloud.clock.running}

    async def _set_clock(self, cloud: Cloud, request: HttpRequest) -> Any:
        body = self._body(request)
        clock = cloud.clock
        cloud.clock_changes()
        if "advance" in body:
            span = span_ms(str(body["advance"]))
            if clock.now_ms() + span > LAST_MS:
                raise Refused("the clock does not go beyond the year 9999")
            clock.advance(span)
        elif body.get("freeze"):
            clock.freeze()
        elif body.get("resume"):
            clock.resume()
        else:
            raise Refused('say "advance", "freeze" or "resume"')
        cloud.clock_changed()
        # A signature's date has whole seconds: one made in the second of the change could be of either time. Let it pass.
        await asyncio.sleep((1000 - wall_ms() % 1000) / 1000 if body.get("settle", True) else 0)
        return await self._clock(cloud, request)

    async def _clouds(self, cloud: Cloud, request: HttpRequest) -> Any:
        return {name: {"endpoint": c.endpoint, "now_ms": c.clock.now_ms()} for name, c in self._house.gateway.clouds.items()}

    async def _clone(self, cloud: Cloud, request: HttpRequest) -> Any:
        name = self._body(request).get("name")
        if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
            raise Refused("a clone's name is letters, digits, - and _")
        self._house.store.clone(cloud.name, name, cloud.clock.now_ms())
        made = await self._house.listen_beside(name)
        depart(made, wall_ms())
        return {"name": name, "endpoint": made.endpoint, "sequence": self._house.store.sequence}

    async def _drop(self, cloud: Cloud, request: HttpRequest) -> Any:
        name = request.path.rpartition("/")[2]
        if name == MAIN or name not in self._house.gateway.clouds:
            raise Refused(f"there is no clone named {name}", 404)
        await self._house.hush(name)
        self._house.store.drop(name, cloud.clock.now_ms())
        return {"dropped": name}

    async def _backtrack(self, cloud: Cloud, request: HttpRequest) -> Any:
        store = self._house.store
        kind, value = moment(str(self._body(request).get("to", "")), cloud.clock.now_ms())
        instant = value
        if kind == "at" and value > cloud.clock.now_ms():
            raise Refused("that is still to come")
        if kind == "at":
            value = store.locate(cloud.name, value)
        elif value > store.sequence:
            raise Refused(f"the log is at @{store.sequence}; @{value} is still to come")
        before, at_ms = store.sequence, instant if kind == "at" else store.instant(cloud.name, value)
        wall = cloud.clock.wall_at(at_ms)
        store.backtrack(cloud.name, value, cloud.clock.now_ms())
        cloud.awake()
        depart(cloud, wall)
        return {"cloud": cloud.name, "to": value, "from": before}

    async def _snapshot(self, cloud: Cloud, request: HttpRequest) -> Any:
        body = self._body(request)
        store = self._house.store
        file = body.get("save") or body.get("load")
        if not isinstance(file, str) or not Path(file).is_absolute():
            raise Refused('say "save" or "load" with an absolute path')
        if "save" in body:
            at = store.past(cloud.name, store.sequence)
            await _slowly(snapshot.save(store, at, Path(file)))
        else:
            await _slowly(snapshot.load(store, cloud.name, Path(file), cloud.clock.now_ms()))
            cloud.awake()
        return {"cloud": cloud.name, "file": file, "bytes": Path(file).stat().st_size}

    async def _explain(self, cloud: Cloud, request: HttpRequest) -> Any:
        request_id = request.path.rpartition("/")[2]
        found = notes(cloud, request_id)
        if not found:
            raise Refused(f"nothing is remembered of request {request_id}: it was the account's root, or too long ago", 404)
        return {"request_id": request_id, "decisions": [explain(one.query, one.policies) for one in found]}

    async def _dead_letters(self, cloud: Cloud, request: HttpRequest) -> Any:
        letters = [
            {"task": item.task, "account": item.account, "region": item.region, "attempts": item.attempts, "error": item.error}
            for item in outbox.dead(cloud.reader())
        ]
        return {"letters": letters}

    async def _retry_dead_letters(self, cloud: Cloud, request: HttpRequest) -> Any:
        tx = cloud.begin()
        count = outbox.revive(tx, tx.at_ms)
        cloud.commit(tx)
        return {"retried": count}

    async def _letters(self, cloud: Cloud, request: HttpRequest) -> Any:
        return {"letters": self._house.letters(cloud)}

    async def _dev(self, cloud: Cloud, request: HttpRequest) -> Any:
        body = self._body(request)
        function, folder = str(body.get("function", "")), Path(body["folder"]) if body.get("folder") else None
        if folder is not None and not (folder.is_absolute() and folder.is_dir()):
            raise Refused(f"{folder} is not a folder")
        try:
            region, account = str(body.get("region", "us-east-1")), str(body.get("account", DEFAULT_ACCOUNT))
            self._house.mount(cloud, account, region, function, folder)
        except LookupError as problem:
            raise Refused(str(problem), 404) from None
        return {"function": function, "folder": str(folder or "")}

    async def _coverage(self, cloud: Cloud, request: HttpRequest) -> Any:
        return self._house.coverage()

    async def _authority(self, cloud: Cloud, request: HttpRequest) -> Any:
        return HttpResponse(200, [("Content-Type", "application/x-pem-file")], cloud.databases.authority().encode())

    async def _stop(self, cloud: Cloud, request: HttpRequest) -> Any:
        self._house.loop.call_later(0.05, self._house.stop)
        return {"stopping": os.getpid()}


def _this_machine(client: str) -> bool:
    return client.removeprefix("::ffff:").startswith("127.") or client == "::1"


async def _slowly(work: Iterator[None]) -> None:
    """Does a long piece of work between requests."""
    for _ in work:
        await asyncio.sleep(0)
