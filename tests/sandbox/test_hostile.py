"""Hostile programs are contained: as root and as an ordinary user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .hostile import HOSTILE, Hostile, Result, prepare
from .others import WHO, linux_only, outcomes, readable

pytestmark = linux_only
Outcome = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def outcome() -> Any:
    with readable() as folder:
        task, tenant = folder / "task", folder / "secret-of-another"
        task.mkdir()
        tenant.write_text("secret")
        prepare(task, tenant)
        with outcomes(folder, "hostile.py", str(task), str(tenant)) as told:
            yield told


@pytest.mark.parametrize("attack", HOSTILE, ids=lambda a: a.name)
@pytest.mark.parametrize("who", WHO)
def test_hostile(who: str, attack: Hostile, outcome: Outcome) -> None:
    """The program achieves no more than its check allows."""
    results = {row["name"]: Result(*row["result"]) for row in outcome(who)["results"]}
    attack.check(results[attack.name])


@pytest.mark.parametrize("who", WHO)
def test_nothing_is_left(who: str, outcome: Outcome) -> None:
    """No process, mount or cgroup is left when the driver is closed."""
    said = outcome(who)
    assert (said["left"], said["groups"], said["mounts"]) == ([], [], True)
