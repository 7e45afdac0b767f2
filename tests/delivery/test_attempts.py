"""Retry policies and back-off."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fogbank.delivery.attempts import BY_AGE, BY_ATTEMPTS, LONGEST_S, Attempts, RetryPolicy, after_failure, back_off_ms, may_pass
from fogbank.kernel.chance import Chance
from fogbank.kernel.errors import ServiceException


@given(st.integers(0, 500), st.integers(0, 2**32))
def test_back_off(retries: int, seed: int) -> None:
    """It doubles, up to its longest, and is a tenth more or less by chance."""
    expected = 1000 * min(2**retries, LONGEST_S)
    assert 0.89 * expected <= back_off_ms(retries, Chance(seed)) <= 1.11 * expected


@given(st.integers(60, 86_400), st.integers(0, 185), st.integers(0, 2**32))
def test_a_policy_ends(age_s: int, most: int, seed: int) -> None:
    """There are never more retries than allowed, none after the greatest age, and the limit that was reached is named."""
    chance, state, at_ms = Chance(seed), Attempts(1_000_000), 1_000_000
    policy = RetryPolicy(age_s, most)
    while True:
        then = after_failure(state, policy, at_ms, chance)
        if then.exhausted:
            break
        assert at_ms < then.at_ms <= state.since_ms + age_s * 1000
        assert then.attempts == Attempts(state.since_ms, state.retries + 1)
        state, at_ms = then.attempts, then.at_ms
    assert then.exhausted in (BY_AGE, BY_ATTEMPTS)
    assert (then.exhausted == BY_ATTEMPTS) == (state.retries == most)


@given(st.integers(0, 2**32))
def test_the_default_takes_about_a_day(seed: int) -> None:
    """185 attempts and 24 hours are over at about the same time."""
    chance, state, at_ms = Chance(seed), Attempts(0), 0
    while not (then := after_failure(state, RetryPolicy(), at_ms, chance)).exhausted:
        state, at_ms = then.attempts, then.at_ms
    assert 22 * 3_600_000 < at_ms <= 86_400_000
    assert state.retries > 170


def test_what_may_pass() -> None:
    """Throttling and trouble on the other side are tried again; missing permissions and targets, and what does not exist here, are not."""
    assert may_pass(ServiceException("ThrottlingException", status=400))
    assert may_pass(ServiceException("ProvisionedThroughputExceededException", status=400))
    assert may_pass(ServiceException("InternalFailure", status=500))
    assert not may_pass(ServiceException("AccessDeniedException", status=400))
    assert not may_pass(ServiceException("ResourceNotFoundException", status=404))
    assert not may_pass(ServiceException("NotImplemented", status=501))
