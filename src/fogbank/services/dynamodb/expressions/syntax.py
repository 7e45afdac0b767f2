"""The grammar: text to tokens to a tree. Knows nothing of what #names and :values stand for.

    condition   OR < AND < NOT < comparison; comparators, BETWEEN, IN, functions, parentheses
    update      SET, REMOVE, ADD, DELETE
    projection  paths

The trees are also made by `legacy` and by PartiQL's planner, so that there is one meaning of each node.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb.faults import invalid_expression

Step = str | int


class Path(NamedTuple):
    """A document path: attribute names (or #names) and list indexes."""

    steps: tuple[Step, ...]


class Literal(NamedTuple):
    """A :value."""

    name: str


class Call(NamedTuple):
    function: str
    operands: tuple[Node, ...]


class Binary(NamedTuple):
    """A comparison (=, <>, <, <=, >, >=), or arithmetic (+, -) in an update."""

    operator: str
    left: Node
    right: Node


class Between(NamedTuple):
    operand: Node
    low: Node
    high: Node


class In(NamedTuple):
    operand: Node
    options: tuple[Node, ...]


class Not(NamedTuple):
    condition: Node


class And(NamedTuple):
    conditions: tuple[Node, ...]


class Or(NamedTuple):
    conditions: tuple[Node, ...]


Node = Path | Literal | Call | Binary | Between | In | Not | And | Or


class Action(NamedTuple):
    """One part of an update: SET path = value, REMOVE path, ADD path value, DELETE path value."""

    clause: str
    path: Path
    value: Node | None


COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
PREDICATES = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
"""Functions that are conditions, with how many operands they take."""
OPERAND_FUNCTIONS = {"size": 1, "if_not_exists": 2, "list_append": 2}
CLAUSES = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
SIZE_LIMIT = 4096
OPERATOR_LIMIT = 300
DEPTH_LIMIT = 100
"""How deep parentheses and functions may lie in one another. AWS publishes no limit but that of the operators."""
IN_LIMIT = 100

_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_]*|[#:][A-Za-z0-9_]+|[0-9]+|<>|<=|>=|\S")
_IDENTIFIER = re.compile(r"[A-Za-z#]").match


class Parser:
    """Reads one expression. `kind` is the parameter that it came in, for the messages."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        if (size := len(text.encode())) > SIZE_LIMIT:
            raise self.fault(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
        if not text.strip():
            raise self.fault("The expression can not be empty;")
        self.text = text
        self._spans = [found.span() for found in _TOKEN.finditer(text)]
        self._at = 0
        self._operators = 0
        self._depth = 0
        self._parentheses: tuple[int, int] = (-1, -1)
        """Where the last pair of parentheses began and ended."""
        self._look()

    def fault(self, reason: str) -> ServiceException:
        return invalid_expression(self.kind, reason)

    def syntax_error(self) -> ServiceException:
        """At the token that is looked at, with its neighbours."""
        spans = self._spans
        near = spans[max(0, self._at - 1) : self._at + 2]
        return self.fault(f'Syntax error; token: "{self.token or "<EOF>"}", near: "{self.text[near[0][0] : near[-1][1]]}"')

    def _look(self) -> None:
        if self._at < len(self._spans):
            start, end = self._spans[self._at]
            self.token = self.text[start:end]
        else:
            self.token = ""
        self.word = self.token.upper()

    def step(self) -> str:
        """The token that was looked at; the next one is looked at now."""
        token = self.token
        self._at += 1
        self._look()
        return token

    def take(self, word: str) -> bool:
        """Whether the keyword or the sign is next; steps over it."""
        if self.word != word:
            return False
        self.step()
        return True

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise self.syntax_error()

    def end(self) -> None:
        if self.token:
            raise self.syntax_error()

    def _count(self) -> None:
        self._operators += 1
        if self._operators > OPERATOR_LIMIT:
            raise self.fault(f"The expression contains too many operators; operator count: {self._operators}")

    # Conditions.

    def condition(self) -> Node:
        """A whole condition, filter or key condition."""
        node = self._conditional(self._expression(0))
        self.end()
        return node

    def _expression(self, level: int) -> Node:
        """Joined conditions that bind at least so tightly (0: OR, 1: AND, 2: NOT), or inside parentheses an operand."""
        if self.take("NOT"):
            self._count()
            node: Node = Not(self._conditional(self._expression(2)))
        else:
            node = self._comparison()
        while level < 2 and self.word in ("AND", "OR"):
            binding = 1 if self.word == "AND" else 0
            if binding < level:
                break
            self._conditional(node)
            self.step()
            self._count()
            kind = And if binding else Or
            right = self._conditional(self._expression(binding + 1))
            node = kind((*node.conditions, right) if isinstance(node, kind) else (node, right))
        return node

    def _conditional(self, node: Node) -> Node:
        """The node, which must be a condition and not an operand."""
        if isinstance(node, Path | Literal):
            raise self.syntax_error()
        if isinstance(node, Call) and node.function not in PREDICATES:
            raise self.misused(node.function)
        return node

    def misused(self, function: str) -> ServiceException:
        return self.fault(f"The function is not allowed to be used this way in an expression; function: {function}")

    def _comparison(self) -> Node:
        left = self._primary()
        word = self.word
        if word not in COMPARATORS and word not in ("BETWEEN", "IN"):
            return left
        self._check_operand(left)
        self.step()
        self._count()
        if word == "BETWEEN":
            low = self._operand()
            self.expect("AND")
            return Between(left, low, self._operand())
        if word == "IN":
            options = self._list()
            if len(options) > IN_LIMIT:
                raise self.fault(f"The IN operator is provided with too many operands; number of operands: {len(options)}")
            return In(left, options)
        return Binary(word, left, self._operand())

    def _check_operand(self, node: Node) -> Node:
        if isinstance(node, Call) and node.function in PREDICATES:
            raise self.misused(node.function)
        if not isinstance(node, Path | Literal | Call):
            raise self.syntax_error()
        return node

    def _operand(self) -> Node:
        return self._check_operand(self._primary())

    def _primary(self) -> Node:
        if self.token != "(":
            return self.term()
        start = self._at
        self._open()
        node = self._expression(0)
        self._close(start)
        return node

    def _open(self) -> None:
        self.expect("(")
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self.fault(f"The expression is nested too deeply; nesting levels: {self._depth}")

    def _close(self, start: int) -> None:
        """Ends what an operand or a condition was put into."""
        end = self._at
        self.expect(")")
        self._depth -= 1
        if self._parentheses == (start + 1, end - 1):
            raise self.fault("The expression has redundant parentheses;")
        self._parentheses = (start, end)

    def _list(self) -> tuple[Node, ...]:
        self._open()
        operands = [self.argument()]
        while self.take(","):
            operands.append(self.argument())
        self.expect(")")
        self._depth -= 1
        return tuple(operands)

    def argument(self) -> Node:
        """One operand of a function or of IN."""
        return self._operand()

    # Terms.

    def term(self) -> Node:
        """A value, a path, or a function with its operands."""
        token = self.token
        if token[:1] == ":" and len(token) > 1:
            return Literal(self.step())
        if not _IDENTIFIER(token) or token == "#":
            raise self.syntax_error()
        if token[0] != "#" and self._next() == "(":
            function = self.step()
            self._count()
            if function not in PREDICATES and function not in OPERAND_FUNCTIONS:
                raise self.fault(f"Invalid function name; function: {function}")
            operands = self._list()
            if len(operands) != (PREDICATES.get(function) or OPERAND_FUNCTIONS[function]):
                raise self.fault(
                    "Incorrect number of operands for operator or function; "
                    f"operator or function: {function}, number of operands: {len(operands)}"
                )
            return Call(function, operands)
        return self.path()

    def _next(self) -> str:
        """The token after the one that is looked at."""
        if self._at + 1 >= len(self._spans):
            return ""
        start, end = self._spans[self._at + 1]
        return self.text[start:end]

    def path(self) -> Path:
        steps: list[Step] = [self._name()]
        while True:
            if self.take("."):
                steps.append(self._name())
            elif self.take("["):
                if not (self.token.isdecimal() and self.token.isascii()):
                    raise self.syntax_error()
                steps.append(int(self.step()))
                self.expect("]")
            else:
                return Path(tuple(steps))

    def _name(self) -> str:
        if not _IDENTIFIER(self.token) or self.token == "#":
            raise self.syntax_error()
        return self.step()

    # Projections.

    def paths(self) -> list[Path]:
        """A whole projection."""
        found = [self.path()]
        while self.take(","):
            found.append(self.path())
        self.end()
        return found


class UpdateParser(Parser):
    """Reads an update: its operands are arithmetic, never conditions."""

    def actions(self) -> list[Action]:
        """A whole update."""
        found: list[Action] = []
        clauses: set[str] = set()
        while self.token:
            clause = self.word
            if clause not in CLAUSES:
                raise self.syntax_error()
            if clause in clauses:
                raise self.fault(f'The "{clause}" section can only be used once in an update expression;')
            clauses.add(clause)
            self.step()
            found.append(self._action(clause))
            while self.take(","):
                found.append(self._action(clause))
        return found

    def _action(self, clause: str) -> Action:
        path = self.path()
        if clause == "REMOVE":
            return Action(clause, path, None)
        if clause == "SET":
            self.expect("=")
            return Action(clause, path, self._sum())
        if self.token[:1] != ":" or len(self.token) == 1:
            raise self.syntax_error()
        return Action(clause, path, Literal(self.step()))

    def _sum(self) -> Node:
        left = self._primary()
        if self.word not in ("+", "-"):
            return left
        operator = self.step()
        self._count()
        return Binary(operator, left, self._primary())

    def _primary(self) -> Node:
        if self.token != "(":
            return self.term()
        start = self._at
        self._open()
        node = self._sum()
        self._close(start)
        return node

    def argument(self) -> Node:
        return self._primary()
