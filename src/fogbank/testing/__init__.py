"""A whole cloud in one object, for tests.

    with Cloud() as cloud:
        sqs = cloud.client("sqs")
        cloud.advance(30)

Its clock stands still until it is moved. With pytest: `pytest_plugins = ["fogbank.testing.plugin"]` gives the fixture `cloud`.
"""

from fogbank.testing.cloud import Cloud, Process

__all__ = ["Cloud", "Process"]
