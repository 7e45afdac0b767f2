"""What all tests share: the fixtures `house` and `cloud`, and `--all` for everything instead of a sample."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from fogbank.wire import codec

pytest_plugins = ["fogbank.testing.plugin"]

codec.STRICT = True  # an answer with a member that AWS's model does not have is a mistake of ours

# An example is not wrong because something else had the processor; examples of one test share its cloud.
_PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("sample", derandomize=True, **_PATIENT)
settings.register_profile("all", **_PATIENT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="everything, not a sample; and examples that nobody has tried yet")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("all" if config.getoption("--all") else "sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="only with --all"))
