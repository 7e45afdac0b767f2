"""What an alarm says of itself: the reason of its state, in words and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from fogbank.services.cloudwatch.judging import BANDS, COMPARISONS, Verdict
from fogbank.services.cloudwatch.state import Alarm

MOST_SHOWN = 5
_TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching", "ignore": "Ignored", "missing": "Missing"}


class Evaluated(NamedTuple):
    """One period of the evaluation range. `band`: (lower, upper), where there is one."""

    at_ms: int
    value: float | None
    samples: float | None = None
    band: tuple[float, float] | None = None
    breaches: bool | None = None


def instant(at_ms: int) -> str:
    """An instant as CloudWatch writes it in JSON: 2019-10-01T13:56:40.985+0000."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}+0000"


def reason(alarm: Alarm, state: str, verdict: Verdict, evaluated: Sequence[Evaluated]) -> str:
    """Why a metric alarm is in the state that it is changing to."""
    there = [one for one in evaluated if one.value is not None][-verdict.used :] if verdict.used else []
    filled = verdict.filled
    points = "datapoint" if filled == 1 else "datapoints"
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {filled} {points} {'was' if filled == 1 else 'were'} unknown."
    treated = f"{filled} missing {points} {'was' if filled == 1 else 'were'} treated as [{_TREATED[alarm.missing or 'missing']}]"
    if not there:
        return f"Threshold Crossed: no datapoints were received for {filled} {'period' if filled == 1 else 'periods'} and {treated}."
    shown = [one for one in there if one.breaches is (state == "ALARM")] or there
    listed = ", ".join(f"{one.value!r} ({_short(one.at_ms)})" for one in reversed(shown[-MOST_SHOWN:]))
    dots = ", ..." if len(shown) > MOST_SHOWN else ""
    needed = alarm.datapoints or alarm.evaluation_periods
    back = needed if state == "ALARM" else alarm.evaluation_periods - needed + 1
    before = "OK" if state == "ALARM" else "ALARM"
    text = f"Threshold Crossed: {len(shown)} out of the last {len(there) + filled} datapoints [{listed}{dots}]"
    text += f" {'was' if len(shown) == 1 else 'were'} {'' if state == 'ALARM' else 'not '}{_compared(alarm, shown)}"
    if filled and alarm.missing in ("breaching", "notBreaching"):
        text += f" and {treated}"
    return f"{text} (minimum {back} {'datapoint' if back == 1 else 'datapoints'} for {before} -> {state} transition)."


def _compared(alarm: Alarm, shown: Sequence[Evaluated]) -> str:
    if alarm.comparison in COMPARISONS:
        return f"{COMPARISONS[alarm.comparison][1]} the threshold ({alarm.threshold!r})"
    bands = [one.band for one in shown[-MOST_SHOWN:] if one.band is not None]
    lower, upper = (", ".join(repr(band[n]) for band in reversed(bands)) for n in (0, 1))
    return {
        "LessThanLowerThreshold": f"less than the lower thresholds [{lower}]",
        "GreaterThanUpperThreshold": f"greater than the upper thresholds [{upper}]",
    }.get(alarm.comparison, f"less than the lower thresholds [{lower}] or greater than the upper thresholds [{upper}]")


def _short(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%d/%m/%y %H:%M:%S")


def reason_json(alarm: Alarm, at_ms: int, verdict: Verdict, evaluated: Sequence[Evaluated]) -> str:
    """The same as JSON."""
    there = [one for one in evaluated if one.value is not None][-verdict.used :] if verdict.used else []
    query = alarm.queries[0] if alarm.single else None
    said: dict[str, Any] = {"version": "1.0", "queryDate": instant(at_ms)}
    if there:
        said["startDate"] = instant(there[0].at_ms)
    if query is not None:
        said |= {"unit": query.unit} if query.unit else {}
        said["statistic"] = query.stat
    said |= {"period": alarm.period_s, "recentDatapoints": [one.value for one in there]}
    if alarm.comparison in BANDS:
        said["recentLowerThresholds"] = [one.band[0] for one in there if one.band is not None]
        said["recentUpperThresholds"] = [one.band[1] for one in there if one.band is not None]
    else:
        said["threshold"] = alarm.threshold
    said["evaluatedDatapoints"] = [_evaluated(one) for one in reversed(there)]
    return msgspec.json.encode(said).decode()


def _evaluated(one: Evaluated) -> dict[str, Any]:
    said: dict[str, Any] = {"timestamp": instant(one.at_ms)}
    if one.samples is not None:
        said["sampleCount"] = one.samples
    return {**said, "value": one.value}
