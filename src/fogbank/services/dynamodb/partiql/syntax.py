"""The grammar of PartiQL statements: text to tokens to a tree."""

from __future__ import annotations

import re
from functools import lru_cache

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb.expressions.syntax import (
    COMPARATORS,
    IN_LIMIT,
    Action,
    And,
    Between,
    Binary,
    Call,
    In,
    Literal,
    Node,
    Not,
    Or,
    Path,
    Step,
)
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.partiql.templates import Constant, ListOf, MapOf, Parameter, SetOf, Template
from fogbank.services.dynamodb.partiql.trees import Delete, Exists, Insert, Select, Source, Statement, Update

DEPTH_LIMIT = 60
"""How deep conditions and values may lie in one another; a value of 32 levels fits in."""
KEYWORDS = frozenset(
    {"AND", "ASC", "BETWEEN", "BY", "DELETE", "DESC", "EXISTS", "FALSE", "FROM", "IN", "INSERT", "INTO", "IS", "MISSING", "NOT"}
    | {"NULL", "OR", "ORDER", "REMOVE", "RETURNING", "SELECT", "SET", "TRUE", "UPDATE", "WHERE"}
)
"""What is never a name without quotation marks."""
_FUNCTIONS = {"begins_with": 2, "contains": 2, "attribute_type": 2, "size": 1}
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")+")|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_$]*)|(?P<sign><<|>>|<>|!=|<=|>=|\S))""",
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def parsed(text: str) -> Statement:
    """A statement. Raises ValidationException."""
    return _Parser(text).statement()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [(str(found.lastgroup), found[str(found.lastgroup)]) for found in _TOKEN.finditer(text)]
        self._tokens.append(("end", ""))
        self._at = 0
        self._depth = 0
        self._literals: dict[str, Template] = {}
        self._parameters = 0

    # Tokens.

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def token(self) -> str:
        return self._tokens[self._at][1]

    @property
    def word(self) -> str:
        """The keyword or the sign that is looked at, in capitals; "" for anything else."""
        kind, token = self._tokens[self._at]
        return token.upper() if kind in ("word", "sign") else ""

    def fault(self, reason: str = "") -> ServiceException:
        shown = self.token or "the end of the statement"
        return invalid(f"Statement wasn't well formed, can't be processed: {reason or f'Unexpected {shown}'}")

    def step(self) -> str:
        token = self.token
        self._at += 1
        return token

    def take(self, *words: str) -> bool:
        """Whether these come next, one after the other; steps over them."""
        ahead = self._tokens[self._at : self._at + len(words)]
        if [token.upper() if kind in ("word", "sign") else "" for kind, token in ahead] != list(words):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                raise self.fault()

    def deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self.fault("The statement is nested too deeply")

    # Statements.

    def statement(self) -> Statement:
        root = self._root()
        if self.kind != "end":
            raise self.fault()
        return Statement(root, self._literals, self._parameters)

    def _root(self) -> Select | Insert | Update | Delete | Exists:
        if self.take("SELECT"):
            return self._select()
        if self.take("INSERT"):
            self.expect("INTO")
            source = self._source()
            self.expect("VALUE")
            return Insert(source, self._literal(self._value()))
        if self.take("UPDATE"):
            source = Source(self._name())
            actions = self._actions()
            return Update(source, actions, self._where(), self._returning())
        if self.take("DELETE"):
            self.expect("FROM")
            source = Source(self._name())
            where = self._where()
            if (returning := self._returning()) not in ("", "ALL OLD"):
                raise self.fault("DELETE returns ALL OLD * or nothing")
            return Delete(source, where, returning)
        if self.take("EXISTS"):
            self.expect("(", "SELECT")
            select = self._select()
            self.expect(")")
            return Exists(select)
        raise self.fault()

    def _select(self) -> Select:
        paths: list[Path] | None = None
        if not self.take("*"):
            paths = [self._path()]
            while self.take(","):
                paths.append(self._path())
        self.expect("FROM")
        source = self._source()
        where = self._where()
        order = []
        if self.take("ORDER"):
            self.expect("BY")
            order.append(self._ordering())
            while self.take(","):
                order.append(self._ordering())
        return Select(source, None if paths is None else tuple(paths), where, tuple(order))

    def _ordering(self) -> tuple[str, bool]:
        name = self._name()
        if self.take("DESC"):
            return name, True
        self.take("ASC")
        return name, False

    def _source(self) -> Source:
        table = self._name()
        return Source(table, self._name() if self.take(".") else "")

    def _where(self) -> Node | None:
        return self._condition(0) if self.take("WHERE") else None

    def _returning(self) -> str:
        if not self.take("RETURNING"):
            return ""
        for returning in ("ALL OLD", "ALL NEW", "MODIFIED OLD", "MODIFIED NEW"):
            if self.take(*returning.split(), "*"):
                return returning
        raise self.fault()

    # Updates.

    def _actions(self) -> tuple[Action, ...]:
        actions: list[Action] = []
        while self.word in ("SET", "REMOVE"):
            act = self._assignment if self.step().upper() == "SET" else self._removal
            actions.append(act())
            while self.take(","):
                actions.append(act())
        if not actions:
            raise self.fault("Expected data manipulation")
        return tuple(actions)

    def _removal(self) -> Action:
        return Action("REMOVE", self._path(), None)

    def _assignment(self) -> Action:
        path = self._path()
        self.expect("=")
        function = self.token.lower() if self.kind == "word" and self._tokens[self._at + 1][1] == "(" else ""
        if function in ("set_add", "set_delete"):
            self.step()
            changed, value = self._operands(2)
            if changed != path or not isinstance(value, Literal):
                raise self.fault(f"{function.upper()} changes the set that it is assigned to, by a set")
            return Action("ADD" if function == "set_add" else "DELETE", path, value)
        left = self._assigned()
        if self.word in ("+", "-"):
            return Action("SET", path, Binary(self.step(), left, self._assigned()))
        return Action("SET", path, left)

    def _assigned(self) -> Node:
        if self.kind == "word" and self.token.lower() == "list_append":
            function = self.step().lower()
            return Call(function, self._operands(2))
        return self._simple()

    # Conditions. level 0: OR, 1: AND, 2: NOT.

    def _condition(self, level: int) -> Node:
        self.deeper()
        node: Node = Not(self._condition(2)) if self.take("NOT") else self._comparison()
        while level < 2 and self.word in ("AND", "OR"):
            binding = 1 if self.word == "AND" else 0
            if binding < level:
                break
            self.step()
            kind = And if binding else Or
            right = self._condition(binding + 1)
            node = kind((*node.conditions, right) if isinstance(node, kind) else (node, right))
        self._depth -= 1
        return node

    def _comparison(self) -> Node:
        if self.take("("):
            node = self._condition(0)
            self.expect(")")
            return node
        left = self._simple()
        if isinstance(left, Call) and left.function != "size":
            return left
        operator = "<>" if self.word == "!=" else self.word
        if operator in COMPARATORS:
            self.step()
            return Binary(operator, left, self._simple())
        if self.take("IS"):
            return self._is(left)
        negated = self.take("NOT")
        if self.take("BETWEEN"):
            low = self._simple()
            self.expect("AND")
            node = Between(left, low, self._simple())
        elif self.take("IN"):
            node = In(left, self._options())
        else:
            raise self.fault()
        return Not(node) if negated else node

    def _is(self, left: Node) -> Node:
        negated = self.take("NOT")
        if self.take("MISSING"):
            return Call("attribute_exists" if negated else "attribute_not_exists", (left,))
        if not self.take("NULL"):
            raise self.fault("IS compares with NULL and with MISSING")
        null = Call("attribute_type", (left, self._literal(Constant("S", "NULL"))))
        return Not(null) if negated else null

    def _options(self) -> tuple[Node, ...]:
        closing = {"[": "]", "(": ")"}.get(self.word)
        if closing is None:
            raise self.fault()
        self.step()
        options = [self._simple()]
        while self.take(","):
            options.append(self._simple())
        self.expect(closing)
        if len(options) > IN_LIMIT:
            raise self.fault(f"The IN operator takes at most {IN_LIMIT} values; it has {len(options)}")
        return tuple(options)

    # Operands.

    def _simple(self) -> Node:
        """A path, a value, or a function of them."""
        if self.kind == "word" and self._tokens[self._at + 1] == ("sign", "("):
            function = self.token.lower()
            if function not in _FUNCTIONS:
                raise self.fault(f"Unknown function {self.token}")
            self.step()
            return Call(function, self._operands(_FUNCTIONS[function]))
        if self.kind == "quoted" or (self.kind == "word" and self.word not in KEYWORDS):
            return self._path()
        return self._literal(self._value())

    def _operands(self, count: int) -> tuple[Node, ...]:
        self.deeper()
        self.expect("(")
        operands = [self._simple()]
        while self.take(","):
            operands.append(self._simple())
        self.expect(")")
        if len(operands) != count:
            raise self.fault(f"A function that takes {count} operands has {len(operands)}")
        self._depth -= 1
        return tuple(operands)

    def _literal(self, template: Template) -> Literal:
        name = f":{len(self._literals)}"
        self._literals[name] = template
        return Literal(name)

    def _name(self) -> str:
        if self.kind == "quoted":
            return self.step()[1:-1].replace('""', '"')
        if self.kind != "word" or self.word in KEYWORDS:
            raise self.fault()
        return self.step()

    def _path(self) -> Path:
        steps: list[Step] = [self._name()]
        while True:
            if self.take("."):
                steps.append(self._name())
            elif self.take("["):
                if self.kind == "string":
                    steps.append(self._string())
                elif self.kind == "number" and self.token.isdecimal():
                    steps.append(int(self.step()))
                else:
                    raise self.fault()
                self.expect("]")
            else:
                return Path(tuple(steps))

    # Values.

    def _string(self) -> str:
        return self.step()[1:-1].replace("''", "'")

    def _value(self) -> Template:
        if self.kind == "string":
            return Constant("S", self._string())
        if self.kind == "number":
            return Constant("N", self.step())
        if self.take("-"):
            if self.kind != "number":
                raise self.fault()
            return Constant("N", "-" + self.step())
        if self.take("?"):
            self._parameters += 1
            return Parameter(self._parameters - 1)
        if self.take("NULL"):
            return Constant("NULL", True)
        if self.word in ("TRUE", "FALSE"):
            return Constant("BOOL", self.step().upper() == "TRUE")
        if self.take("["):
            return ListOf(self._members("]"))
        if self.take("<<"):
            return SetOf(self._members(">>"))
        if self.take("{"):
            return self._map()
        raise self.fault()

    def _members(self, closing: str) -> tuple[Template, ...]:
        self.deeper()
        members: list[Template] = []
        while not self.take(closing):
            if members:
                self.expect(",")
            members.append(self._value())
        self._depth -= 1
        return tuple(members)

    def _map(self) -> MapOf:
        self.deeper()
        members: dict[str, Template] = {}
        while not self.take("}"):
            if members:
                self.expect(",")
            if self.kind not in ("string", "quoted"):
                raise self.fault()
            name = self._string() if self.kind == "string" else self._name()
            self.expect(":")
            if name in members:
                raise self.fault(f"The attribute {name} is there twice")
            members[name] = self._value()
        self._depth -= 1
        return MapOf(tuple(members.items()))
