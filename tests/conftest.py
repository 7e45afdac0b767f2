"""What all tests share: the fixtures `house` and `cloud`, and `--all` for everything instead of a sample."""

from __future__ import annotations

import pytest

from fogbank.wire import codec

pytest_plugins = ["fogbank.testing.plugin"]

codec.STRICT = True  # an answer with a member that AWS's model does not have is a mistake of ours


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="everything, not a sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="only with --all"))
