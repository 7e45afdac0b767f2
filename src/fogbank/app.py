"""The composition root: the only module that names a service."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from fogbank.control.api import Control
from fogbank.delivery import outbox
from fogbank.gateway.authenticate import Identities
from fogbank.gateway.departures import ancestry
from fogbank.gateway.inside import Daemon, Inside
from fogbank.gateway.listen import Connection
from fogbank.gateway.pipeline import Gateway
from fogbank.kernel.http import HttpRequest
from fogbank.store.archiver import Kept
from fogbank.store.store import Problem, Store
from fogbank.wire import model

if TYPE_CHECKING:
    from fogbank.engines.databases import Databases
    from fogbank.engines.room import Room
    from fogbank.gateway.cloud import Cloud
    from fogbank.sandbox.box import Driver
    from fogbank.sandbox.unpacking import Shelf
    from fogbank.sandbox.workshop import Workshop

SERVICES = {
    "cloudtrail": "fogbank.services.cloudtrail:SERVICE",
    "cloudcontrol": "fogbank.services.cloudcontrol:SERVICE",
    "cloudwatch": "fogbank.services.cloudwatch:SERVICE",
    "dynamodb": "fogbank.services.dynamodb:SERVICE",
    "dynamodbstreams": "fogbank.services.dynamodb:DYNAMODBSTREAMS",
    "events": "fogbank.services.events:SERVICE",
    "firehose": "fogbank.services.firehose:SERVICE",
    "iam": "fogbank.services.iam:IAM",
    "kinesis": "fogbank.services.kinesis:SERVICE",
    "kms": "fogbank.services.kms:SERVICE",
    "lambda": "fogbank.services.lambda_:SERVICE",
    "logs": "fogbank.services.logs:SERVICE",
    "pi": "fogbank.services.pi:SERVICE",
    "pipes": "fogbank.services.pipes:SERVICE",
    "ram": "fogbank.services.ram:SERVICE",
    "rds": "fogbank.services.rds:SERVICE",
    "rds-data": "fogbank.services.rdsdata:SERVICE",
    "s3": "fogbank.services.s3:SERVICE",
    "s3control": "fogbank.services.s3.control:CONTROL",
    "scheduler": "fogbank.services.scheduler:SERVICE",
    "schemas": "fogbank.services.schemas:SERVICE",
    "secretsmanager": "fogbank.services.secretsmanager:SERVICE",
    "sns": "fogbank.services.sns:SERVICE",
    "sqs": "fogbank.services.sqs:SERVICE",
    "ssm": "fogbank.services.ssm:SERVICE",
    "sts": "fogbank.services.iam:STS",
    "xray": "fogbank.services.xray:SERVICE",
}
"""AWS's name of a service -> its manifest. Imported when first called."""

_REGION = r"(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)"
SITES = {
    rf"(?P<bucket>.+)\.s3-website[.-]{_REGION}": "s3",
    rf"(?P<url>[a-z0-9]+)\.lambda-url\.{_REGION}": "lambda",
    rf"awslambda-{_REGION}-tasks": "lambda",
    r"/_rds/(?P<what>token|wake|aws|staged)": "rds",
    r"/SimpleNotificationService-[0-9a-f]{32}\.pem": "sns",
}
"""What a Host header says in front of the endpoint, or a path -> the service that serves such requests by itself (`Service.site`)."""

TYPES = {
    "AWS::CloudTrail": "fogbank.services.cloudtrail.resources:TYPES",
    "AWS::CloudWatch": "fogbank.services.cloudwatch.resources:TYPES",
    "AWS::DynamoDB": "fogbank.services.dynamodb.resources:TYPES",
    "AWS::Events": "fogbank.services.events.resources:TYPES",
    "AWS::EventSchemas": "fogbank.services.schemas.resources:TYPES",
    "AWS::IAM": "fogbank.services.iam.resources:TYPES",
    "AWS::KMS": "fogbank.services.kms.resources:TYPES",
    "AWS::Lambda": "fogbank.services.lambda_.resources:TYPES",
    "AWS::Kinesis": "fogbank.services.kinesis.resources:TYPES",
    "AWS::KinesisFirehose": "fogbank.services.firehose.resources:TYPES",
    "AWS::Logs": "fogbank.services.logs.resources:TYPES",
    "AWS::Pipes": "fogbank.services.pipes.resources:TYPES",
    "AWS::RDS": "fogbank.services.rds.resources:TYPES",
    "AWS::S3": "fogbank.services.s3.resources:TYPES",
    "AWS::SNS": "fogbank.services.sns.resources:TYPES",
    "AWS::SQS": "fogbank.services.sqs.resources:TYPES",
    "AWS::SSM": "fogbank.services.ssm.resources:TYPES",
    "AWS::Scheduler": "fogbank.services.scheduler.resources:TYPES",
    "AWS::SecretsManager": "fogbank.services.secretsmanager.resources:TYPES",
    "AWS::XRay": "fogbank.services.xray.resources:TYPES",
}
"""The first two words of a resource type -> where its service declares it. Imported when first asked for."""

KEEPERS = {"dynamodb": "dynamodb.tables"}
"""The services that look further back than the log's retention -> a table that has rows where they may."""

MAIN = "main"


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed: half the cost of a request's input and output."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def covered(gateway: Gateway, name: str) -> dict[str, list[str]]:
    manifest = gateway.manifest(name)
    there = set(manifest.operations) if manifest is not None else set()
    every = set(model.service(name).operations)
    return {"implemented": sorted(there & every), "missing": sorted(every - there)}


def identities() -> Identities:
    """Who is behind an access key: IAM's part of the door."""
    from fogbank.services.iam import identities

    return cast(Identities, identities)


class App:
    """A store, its gateway, and the ports its clouds listen on."""

    def __init__(
        self,
        data: Path | None,
        loop: asyncio.AbstractEventLoop,
        *,
        sync: bool = False,
        sandbox: str = "auto",
        billing_ms: int = 1,
        debug: bool = False,
    ) -> None:
        self.store = Store.open(data, sync=sync)
        self.loop = loop
        self.services = tuple(SERVICES)
        self.sandbox = sandbox
        self.billing_ms = billing_ms
        self._data = data
        self._boxes: Driver | None = None
        self._shelf: Shelf | None = None
        self._room: Room | None = None
        self.gateway = Gateway(self.store, loop, SERVICES, identities, sites=SITES, types=TYPES, debug=debug)
        self.gateway.make_workshop = self._workshop
        self.gateway.make_databases = self._databases
        self.control = Control(self)
        self.gateway.local = self.control.take
        self._servers: dict[str, asyncio.Server] = {}
        self._host = "127.0.0.1"
        self._tick: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self.stop: Callable[[], None] = loop.stop

    def _workshop(self, cloud: Cloud) -> Workshop:
        """Where a cloud's functions run: all clouds share what makes boxes, and unpacked code. Their lines are told to Lambda, and
        inside a box the cloud answers at its usual address."""
        from fogbank.sandbox import driver
        from fogbank.sandbox.box import CannotStart
        from fogbank.sandbox.unpacking import Shelf
        from fogbank.sandbox.workshop import Workshop

        if self._shelf is None:
            self._shelf = Shelf(self._data / "functions" if self._data is not None else None)
            with contextlib.suppress(CannotStart):  # the workshop itself will say so, of each invocation
                self._boxes = driver(self.sandbox)
        return Workshop(
            self._boxes or self.sandbox,
            self.loop,
            tell=lambda lines: cloud.gathering.take([("lambda", lines)]),
            api=lambda listener: Inside(self.gateway, cloud, listener),
            daemon=lambda listener, key, region: Daemon(self.gateway, cloud, listener, key, region),
            folder=self._shelf,
            billing_ms=self.billing_ms,
        )

    def _databases(self, cloud: Cloud) -> Databases:
        """Where a cloud's database clusters run: all clouds share the storage fleet. What happens to a cluster by itself is a task of RDS,
        and what the front asks is a request to RDS."""
        from fogbank.engines.databases import Databases, House
        from fogbank.engines.room import Room

        if self._room is None:
            self._room = Room(self._data / "databases" if self._data is not None else None, self.loop)

        def noticed(account: str, region: str, what: dict[str, Any]) -> None:
            tx = cloud.begin()
            outbox.put(tx, "rds.noticed", what, tx.at_ms, account, region)
            cloud.commit(tx)

        def asked(question: dict[str, Any], done: Callable[[Any], None]) -> None:
            headers = {"host": "localhost", "x-fogbank-front": databases.word}
            request = HttpRequest("POST", f"/_rds/{question['what']}", "", headers, msgspec.json.encode(question))
            call = self.gateway.admit(cloud, request, lambda answer: done(msgspec.json.decode(answer.body)))
            if call is not None:
                call.perform(request.body)

        house = House(
            cloud.name,
            ancestry=lambda: ancestry(cloud),
            wall=lambda at_ms: cloud.clock.wall_at(at_ms),
            cloud=lambda at_ms: cloud.clock.at_wall(at_ms),
            noticed=noticed,
            asked=asked,
            revive=lambda: self._revive(cloud),
        )
        databases = Databases(self._room, house)
        return databases

    def _revive(self, cloud: Cloud) -> None:
        """Has a cloud's database clusters run as its rows say."""
        if not self.store.has("rds.clusters"):
            return
        from fogbank.services.rds.state import CLUSTERS

        tx = cloud.begin()
        if next(iter(CLUSTERS.scan(tx)), None) is not None:
            outbox.put(tx, "rds.awake", {}, tx.at_ms, "", "")
            cloud.commit(tx)

    async def listen(self, name: str, host: str, port: int, *, strict: bool = False, seed: int | None = None) -> Cloud:
        """Opens a cloud on a port (0: any). OSError if the port is taken."""
        cloud = self.gateway.open(name, strict=strict, seed=seed)
        server = await self.loop.create_server(lambda: Connection(self.gateway, cloud), host, port, backlog=1024)
        cloud.endpoint = f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{server.sockets[0].getsockname()[1]}"
        self._servers[name] = server
        self._host = host
        self._revive(cloud)
        return cloud

    async def listen_beside(self, name: str) -> Cloud:
        """Opens another cloud on a free port of the same host, with the same strictness."""
        main = self.gateway.clouds[MAIN]
        return await self.listen(name, self._host, 0, strict=main.strict)

    async def hush(self, name: str) -> None:
        """Closes a cloud's port, and returns when its databases have ended."""
        server = self._servers.pop(name)
        server.close()
        self.gateway.clouds.pop(name).close()
        if self._room is not None:
            await self._room.left(name)

    def keep_house(self, retention_ms: int, collect_every_s: float = 60.0) -> None:
        """Looks after the archiver now and then, and has it collect what is older than the retention."""
        last = self.loop.time()

        def tick() -> None:
            nonlocal last
            idle = self._look_at_archiver()
            now = self.loop.time()
            if idle and now - last > collect_every_s:
                last = now
                self._collect(retention_ms)
                if self._room is not None and (self._sweeping is None or self._sweeping.done()):
                    self._sweeping = self.loop.create_task(self.sweep())
            self._tick = self.loop.call_later(0.1 if not idle else 0.5, tick)

        tick()

    async def sweep(self) -> None:
        """Forgets the database volumes of branches that no cloud has in its history."""
        from fogbank.engines.spec import Failed
        from fogbank.engines.sweeping import sweep

        if self._room is not None:
            with contextlib.suppress(Failed, OSError):  # (storage nodes are away: another time)
                await sweep(self._room, self.store.plan(0).trees)

    def _look_at_archiver(self) -> bool:
        try:
            return self.store.archived()
        except Problem as problem:
            print(f"fogbank: {problem}", file=sys.stderr)
            return True

    def _collect(self, retention_ms: int) -> None:
        """Starts forgetting what no cloud needs any more."""
        horizon, now_ms = self.store.sequence, 0
        kept: list[Kept] = []
        for name, cloud in self.gateway.clouds.items():
            now_ms = max(now_ms, cloud.clock.now_ms())
            try:
                horizon = min(horizon, self.store.locate(name, cloud.clock.now_ms() - retention_ms))
            except Problem:
                return  # the cloud is younger than that
            kept += self._kept_of(cloud)
        self.store.collect(horizon, now_ms, kept)

    def _kept_of(self, cloud: Cloud) -> list[Kept]:
        """What a cloud's services want to look back at for longer: backups, and what can be restored to any second."""
        kept: list[Kept] = []
        for service, table in KEEPERS.items():
            manifest = self.gateway.manifest(service) if self.store.has(table) else None
            if manifest is None or manifest.keeps is None:
                continue
            for past in manifest.keeps(cloud.reader(), cloud.clock.now_ms()):
                since = None if past.since_ms is None else self.store.reached(cloud.name, past.since_ms) or 0
                points = [self.store.reached(cloud.name, at_ms) or 0 for at_ms in past.instants_ms]
                kept.append(Kept(*past.rows, self.store.sequence if since is None else since, [*points, *past.sequences]))
        return kept

    def letters(self, cloud: Cloud) -> list[dict[str, Any]]:
        """What the cloud would have sent to people and devices: mails, text messages, notifications; newest first."""
        from fogbank.services.sns.letters import listed

        return listed(cloud.reader(), self.store.blobs.vault)

    def mount(self, cloud: Cloud, account: str, region: str, function: str, folder: Path | None) -> None:
        """Has a function's $LATEST run the code in a folder as it is (None: its own again). LookupError where there is no such function."""
        from fogbank.services.lambda_.state import FUNCTIONS

        if FUNCTIONS.get(cloud.reader(), account, region, function) is None:
            raise LookupError(f"there is no function {function} in {region} (account {account})")
        tx = cloud.begin()
        item = {"account": account, "region": region, "name": function, "folder": str(folder or "")}
        outbox.put(tx, "lambda.mount", item, tx.at_ms, account, region)
        cloud.commit(tx)

    def coverage(self) -> dict[str, dict[str, list[str]]]:
        """Service -> its operations that are there and those that are not, from the manifests and the models."""
        return {name: covered(self.gateway, name) for name in SERVICES}

    def close(self) -> None:
        """Stops, with everything written."""
        if self._tick is not None:
            self._tick.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for server in self._servers.values():
            server.close()
        for cloud in self.gateway.clouds.values():
            cloud.close()
        if self._boxes is not None:
            self.loop.run_until_complete(self._boxes.close())
        if self._room is not None:
            self._room.close()
        if self._shelf is not None:
            self._shelf.close()
        self.store.close()
