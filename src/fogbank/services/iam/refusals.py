"""IAM's ways to say no, in its own sentences."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException
from fogbank.services.iam.state import QUOTAS


def no_such(what: str, name: str) -> ServiceException:
    """`what` as in "user", "role policy"."""
    return ServiceException("NoSuchEntityException", f"The {what} with name {name} cannot be found.")


def not_found(sentence: str) -> ServiceException:
    return ServiceException("NoSuchEntityException", sentence)


def exists(sentence: str) -> ServiceException:
    return ServiceException("EntityAlreadyExistsException", sentence)


def conflict(must: str) -> ServiceException:
    """`must` as in "delete policies first"."""
    return ServiceException("DeleteConflictException", f"Cannot delete entity, must {must}.")


def invalid(sentence: str) -> ServiceException:
    return ServiceException("InvalidInputException", sentence)


def invalid_value(sentence: str) -> ServiceException:
    return ServiceException("ValidationError", sentence)


def malformed_policy(sentence: str) -> ServiceException:
    return ServiceException("MalformedPolicyDocumentException", sentence)


def limit(sentence: str) -> ServiceException:
    return ServiceException("LimitExceededException", sentence)


def check_quota(quota: str, count: int) -> None:
    """Raises LimitExceeded where one more than `count` is too many. `quota` is its name in GetAccountSummary."""
    most = QUOTAS[quota]
    if count >= most:
        raise limit(f"Cannot exceed quota for {quota.removeprefix('Attached').removesuffix('Quota')}: {most}")
