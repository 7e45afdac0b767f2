"""What an instance class gives its engine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.engines import sizing
from fogbank.services.rds import families
from fogbank.services.rds.instance_classes import CLASSES, GIB, SERVERLESS, sized
from fogbank.testing.cloud import Cloud

from .stage import Stage


def _node(stage: Stage) -> dict[str, str]:
    (wanted,) = stage.wanted.values()
    return wanted.nodes[0].parameters


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 GiB."""
    monkeypatch.setattr(sizing, "memory_bytes", lambda: 64 * GIB)


@pytest.mark.parametrize(
    ("engine", "klass", "connections"),
    [
        ("aurora-postgresql", "db.r6g.large", 1802),
        ("postgres", "db.m6g.large", 901),
        ("postgres", "db.r6g.16xlarge", 5000),
        ("mysql", "db.m6g.large", 682),
        ("mariadb", "db.m6g.large", 341),
        ("aurora-mysql", "db.t4g.medium", 108),
        ("aurora-mysql", "db.r6g.2xlarge", 3069),
    ],
)
def test_connections_go_by_the_class(engine: str, klass: str, connections: int) -> None:
    """`max_connections` is what AWS's formula for the engine comes to."""
    assert families.given(engine, CLASSES[klass])["max_connections"] == str(connections)


@given(st.sampled_from(sorted(CLASSES)), st.sampled_from(sorted(families._BY_CLASS)), st.integers(1, 4096))
def test_no_class_takes_more_than_the_machine_bears(klass: str, engine: str, gib: int) -> None:
    """Buffers are at most 1/64 of the machine's memory, or 64 MB; connections at most one for each 4 MiB."""
    for name, formula in families._BY_CLASS[engine].items():
        value = sizing.bounded(name, int(families.computed(formula, CLASSES[klass])), gib * GIB)
        assert value > 0
        if name == "max_connections":
            assert value <= min(5000, gib * 256)
        elif name in ("shared_buffers", "innodb_buffer_pool_size"):
            assert value * (8192 if name == "shared_buffers" else 1) <= max(64 << 20, gib * GIB // 64)


def test_the_engine_is_told(stage: Stage, aurora: Any) -> None:
    """An instance's node gets what its class gives it."""
    aurora("c", 1)
    told = _node(stage)
    assert (told["max_connections"], told["shared_buffers"]) == ("1802", str(GIB // 8192))


def test_a_groups_word_counts_first(rds: Any, stage: Stage, aurora: Any) -> None:
    """What a user sets is what the engine gets, however much it is."""
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="g", DBParameterGroupFamily="aurora-postgresql18", Description="d")
    values = {"max_connections": "7777", "shared_buffers": "{DBInstanceClassMemory/32768}"}
    changes = [{"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"} for name, value in values.items()]
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="g", Parameters=changes)
    aurora("c", 1, DBClusterParameterGroupName="g")
    assert (_node(stage)["max_connections"], _node(stage)["shared_buffers"]) == ("7777", str(16 * GIB // 32768))


def test_the_defaults_are_described_as_formulas(rds: Any) -> None:
    """The families' defaults are AWS's formulas, by engine."""
    for family, formula in (
        ("aurora-postgresql18", "LEAST({DBInstanceClassMemory/9531392},5000)"),
        ("mysql8.0", "{DBInstanceClassMemory/12582880}"),
    ):
        pages = rds.get_paginator("describe_engine_default_parameters").paginate(DBParameterGroupFamily=family)
        found = {one["ParameterName"]: one for page in pages for one in page["EngineDefaults"]["Parameters"]}
        assert found["max_connections"]["ParameterValue"] == formula


def test_serverless_goes_by_its_most() -> None:
    """A Serverless v2 instance is as large as its cluster's MaxCapacity: 2 GiB for each capacity unit."""
    assert sized(SERVERLESS, 16).memory_bytes == 32 * GIB
    assert families.given("aurora-postgresql", sized(SERVERLESS, 16))["max_connections"] == str(32 * GIB // 9531392)


def test_a_serverless_cluster_that_pauses_has_fewer_connections(cloud: Cloud, rds: Any, stage: Stage) -> None:
    """With a MinCapacity below 1, `max_connections` is 2,000 at most."""
    rds.create_db_cluster(
        DBClusterIdentifier="c",
        Engine="aurora-postgresql",
        MasterUsername="boss",
        MasterUserPassword="correct-horse",
        ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 64},
    )
    rds.create_db_instance(DBInstanceIdentifier="i", DBClusterIdentifier="c", DBInstanceClass=SERVERLESS, Engine="aurora-postgresql")
    cloud.settle()
    assert _node(stage)["max_connections"] == "2000"
