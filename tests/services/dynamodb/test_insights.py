"""Contributor insights."""

from __future__ import annotations

from typing import Any


def test_insights_are_off(db: Any, table: str, refused: Any) -> None:
    """Contributor insights are DISABLED; switching them on is refused by name, a table or index that is not there by AWS's error."""
    assert db.describe_contributor_insights(TableName=table)["ContributorInsightsStatus"] == "DISABLED"
    assert db.list_contributor_insights()["ContributorInsightsSummaries"] == []
    assert db.update_contributor_insights(TableName=table, ContributorInsightsAction="DISABLE")["ContributorInsightsStatus"] == "DISABLED"
    code, message = refused(db.update_contributor_insights, TableName=table, ContributorInsightsAction="ENABLE")
    assert code == "NotImplemented"
    assert "CloudWatch" in message
    assert refused(db.describe_contributor_insights, TableName="nothing")[0] == "ResourceNotFoundException"
    assert refused(db.describe_contributor_insights, TableName=table, IndexName="nothing")[0] == "ResourceNotFoundException"
