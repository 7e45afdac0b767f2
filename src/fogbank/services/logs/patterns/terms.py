"""Terms of unstructured events: `term`, `"a phrase"`, `-excluded`, `?optional`, `%regular expression%`.

All terms must be there and no excluded one; of optional terms one, where there are no others (beside others they count for nothing).
"""

from __future__ import annotations

from collections.abc import Callable

from fogbank.services.logs.patterns.literals import Characters, Plain, invalid, regex

Holds = Callable[[str], object]
_PLAIN = Plain()


class Terms:
    def __init__(self, needed: list[Holds], excluded: list[Holds], optional: list[Holds], regexes: int) -> None:
        self.selectors: tuple[str, ...] | None = ()
        self.regexes = regexes
        if needed or excluded:
            optional = []
        if len(needed) == 1 and not excluded:
            only = needed[0]
            self._test: Callable[[str], object] = only
        else:
            self._test = lambda message: (
                all(holds(message) for holds in needed)
                and not any(holds(message) for holds in excluded)
                and (not optional or any(holds(message) for holds in optional))
            )

    def matches(self, message: str) -> bool:
        return bool(self._test(message))

    def find(self, message: str) -> Plain | None:
        return _PLAIN if self._test(message) else None


def read(text: str) -> Terms:
    """Errors: InvalidParameterException."""
    characters = Characters(text)
    lists: dict[str, list[Holds]] = {"": [], "-": [], "?": []}
    while characters.peek():
        sign = characters.take("-", "?")
        if characters.text[characters.at : characters.at + 1].isspace():
            raise invalid()
        kind, body = characters.literal('"')
        if kind == "bare" and not all(c.isalnum() or c in "_.:/=-*$@#+,;&<>~'" for c in body):
            raise invalid("Terms with other characters than letters and digits must be in quotes")
        lists[sign].append(regex(body) if kind == "regex" else _containing(body))
    return Terms(lists[""], lists["-"], lists["?"], characters.regexes)


def _containing(term: str) -> Holds:
    return lambda message: term in message
