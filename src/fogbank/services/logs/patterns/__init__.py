"""Filter patterns: what metric filters, subscription filters, FilterLogEvents and Live Tail match events with.

Three languages, told apart by the first character: `{` JSON (`structured`), `[` fields between spaces (`delimited`), else terms
(`terms`). `literals` has what they share: values with wildcards, numbers, regular expressions. Each is compiled once into closures.

    pattern = read('{ $.status = 5* && $.latency > 100 }')
    pattern.matches(message)
    match = pattern.find(message)       None, or what the fields have in this message
    match.value("$.latency")

Source: "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail" in the CloudWatch Logs
User Guide.
"""

from __future__ import annotations

from functools import lru_cache

from fogbank.services.logs.patterns import delimited, structured, terms
from fogbank.services.logs.patterns.literals import Match, Pattern, invalid

__all__ = ["Match", "Pattern", "read", "structured"]


@lru_cache(4096)
def read(text: str) -> Pattern:
    """The pattern of a text. Errors: InvalidParameterException."""
    text = text.strip()
    try:
        if text.startswith("{"):
            return structured.read(text)
        return delimited.read(text) if text.startswith("[") else terms.read(text)
    except RecursionError:
        raise invalid("It is too deep") from None
