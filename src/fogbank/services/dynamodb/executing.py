"""A PartiQL statement carried out: its values filled in, its caller allowed, its items read or its change prepared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import changes, query, reading, schema, values
from fogbank.services.dynamodb.addresses import get_table, named_arn, table_at
from fogbank.services.dynamodb.changes import Change
from fogbank.services.dynamodb.expressions import Asked, Condition, KeyCondition, KeyRange
from fogbank.services.dynamodb.expressions import Update as ItemUpdate
from fogbank.services.dynamodb.expressions.keys import Term
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.partiql import Delete, Exists, Insert, Plan, Select, Statement, Update, parsed, planned
from fogbank.services.dynamodb.partiql.templates import filled
from fogbank.services.dynamodb.reading import Page, Source, Start
from fogbank.services.dynamodb.schema import Schema, View, composed, hashed
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.state import Table
from fogbank.services.dynamodb.values import Item

ACTIONS = {
    Select: "PartiQLSelect",
    Exists: "PartiQLSelect",
    Insert: "PartiQLInsert",
    Update: "PartiQLUpdate",
    Delete: "PartiQLDelete",
}
_RETURNED = {"": "NONE", "ALL OLD": "ALL_OLD", "ALL NEW": "ALL_NEW", "MODIFIED OLD": "UPDATED_OLD", "MODIFIED NEW": "UPDATED_NEW"}


class Execution:
    """A statement of a request with its values, the caller being allowed to carry it out.

    Raises ValidationException where it is none, or its parameters are not its own; AccessDenied.
    """

    def __init__(self, ctx: Context, given: Any) -> None:
        self.ctx = ctx
        self.text: str = given.Statement
        self.statement: Statement = parsed(self.text)
        self.root = self.statement.root
        self.reveal: str | None = given.ReturnValuesOnConditionCheckFailure
        self.values = _values(self.statement, given.Parameters or [])
        self._planned: tuple[Table, View, Plan] | None = None
        self._authorize()

    @property
    def name(self) -> str:
        """The table's name, as the statement has it."""
        return self.root.source.table

    @property
    def reads(self) -> bool:
        return isinstance(self.root, Select)

    def at(self) -> tuple[Table, View, Plan]:
        """The table, what of it is read, and the plan. Raises ResourceNotFoundException, ValidationException."""
        if self._planned is None:
            table = table_at(self.ctx, self.name)
            view = _view(table, schema.of(table), self.root.source.index_name)
            types = tuple((name, values.type_of(value)) for name, value in self.values.items())
            plan = planned(self.text, types, tuple(part.name for part in view.partition), tuple(part.name for part in view.sort))
            for check in plan.checks:
                check(self.values)
            self._planned = table, view, plan
        return self._planned

    def _authorize(self) -> None:
        ctx, source = self.ctx, self.root.source
        table = named_arn(ctx, source.table) or "*"
        returning = self.root.returning if isinstance(self.root, Update | Delete) else ""
        ctx.authorize(
            f"dynamodb:{ACTIONS[type(self.root)]}",
            f"{table}/index/{source.index_name}" if source.index_name else table,
            dynamodb__FullTableScan=self._scans,
            dynamodb__LeadingKeys=self._leading_keys,
            dynamodb__Attributes=self._attributes,
            dynamodb__Select=_selected(self.root),
            dynamodb__ReturnValues=_RETURNED[returning],
            dynamodb__EnclosingOperation=ctx.operation,
        )

    def _known(self) -> tuple[Table, View, Plan] | None:
        """As `at`, for the door: None where the statement will be refused anyway."""
        try:
            return self.at() if get_table(self.ctx, self.name) is not None else None
        except ServiceException:
            return None

    def _scans(self) -> bool | None:
        """dynamodb:FullTableScan."""
        known = self._known()
        return not known[2].partitions if known is not None and self.reads else None

    def _leading_keys(self) -> list[str] | None:
        known = self._known()
        if known is None:
            return None
        _, view, plan = known
        if isinstance(self.root, Insert):
            keys = [self.item().get(view.partition[0].name)]
        else:
            keys = [self.values[literals[0]] for literals in plan.partitions]
        return [str(next(iter(key.values()))) for key in keys if key is not None] or None

    def _attributes(self) -> list[str] | None:
        known = self._known()
        if known is None:
            return None
        _, view, plan = known
        found = set(plan.attributes)
        if not isinstance(self.root, Select) or plan.partitions:
            found.update(view.types)
        if isinstance(self.root, Insert):
            found.update(self.item())
        for part in (plan.projection, plan.update):
            if part is not None:
                found.update(part.attributes)
        return sorted(found)

    # Writes.

    def item(self) -> Item:
        """What an INSERT puts."""
        assert isinstance(self.root, Insert)
        value = self.values[self.root.item.name]
        if "M" not in value:
            raise invalid("Statement wasn't well formed, can't be processed: INSERT puts one item, {'name': value, ...}")
        item: Item = value["M"]
        return item

    def key(self) -> Item:
        """The key that the conditions name. Raises ValidationException where they name none."""
        plan = self.at()[2]
        if plan.key is None:
            raise invalid("Where clause does not contain a mandatory equality on all key attributes")
        return {name: self.values[literal] for name, literal in plan.key}

    def named(self) -> Item:
        """The item that is put, or the key of the one that is meant."""
        return self.item() if isinstance(self.root, Insert) else self.key()

    def condition(self) -> Condition | None:
        """What is left of the conditions, to be tested of items."""
        plan = self.at()[2]
        return None if plan.test is None else Condition(plan.test, self.values, plan.attributes)

    def change(self) -> Change:
        """The change that a statement other than SELECT makes (EXISTS: none), prepared.

        Raises ConditionalCheckFailedException, DuplicateItemException, ValidationException.
        """
        ctx, root = self.ctx, self.root
        table, _, plan = self.at()
        if root.source.index_name:
            raise invalid("Statement wasn't well formed, can't be processed: An index is only read")
        asked = Asked(self.condition())
        if isinstance(root, Insert):
            try:
                return changes.put(ctx, table, self.item(), asked)
            except ServiceException as problem:
                if problem.code != "ConditionalCheckFailedException":
                    raise
                raise ServiceException("DuplicateItemException", "Duplicate primary key exists in table") from None
        if isinstance(root, Update):
            assert plan.update is not None
            asked = asked._replace(update=ItemUpdate(plan.update, self.values))
            return changes.update(ctx, table, self.key(), asked, self.reveal)
        if isinstance(root, Delete):
            return changes.delete(ctx, table, self.key(), asked, self.reveal)
        change = self.look_up()
        changes.require(ctx, change, asked, self.reveal)
        change.keep()
        return change

    def look_up(self) -> Change:
        """The one item that the conditions name, not changed."""
        return changes.look_up(self.ctx, self.at()[0], self.key())

    def returned(self, change: Change) -> Item | None:
        """What RETURNING says is to be given of a change."""
        returning = self.root.returning if isinstance(self.root, Update | Delete) else ""
        if not returning:
            return None
        item = change.old if returning.endswith("OLD") else change.new
        if item is None or returning.startswith("ALL"):
            return item
        update = self.at()[2].update
        return update.written.pick(item) if update is not None else None

    # Reads.

    def shown(self, change: Change) -> Item | None:
        """What a SELECT of one item gives; None where the item is not there, or the conditions do not hold of it."""
        item, plan, condition = change.old, self.at()[2], self.condition()
        if item is None or (condition is not None and not condition.holds(item)):
            return None
        return item if plan.projection is None else plan.projection.pick(item)

    def page(self, req: Any, last: Item | None) -> dict[str, Any]:
        """A page of what a SELECT gives, after the item with the key `last`: Items, LastEvaluatedKey, ConsumedCapacity."""
        ctx, source_of = self.ctx, self.root.source
        plan = self.at()[2]
        read = Read(source_of.table, source_of.index_name or None, req.ConsistentRead, req.ReturnConsumedCapacity)
        source = reading.source(ctx, read, Asked(projection=plan.projection))
        start = reading.start_of(source, last) if last is not None else None
        found: Page = reading.page(ctx, source, self._rows(source, plan, start), self.condition(), req.Limit)
        answer = reading.answer(ctx, read, source, found)
        return {name: answer[name] for name in ("Items", "LastEvaluatedKey", "ConsumedCapacity") if name in answer}

    def _rows(self, source: Source, plan: Plan, start: Start | None) -> Iterator[Row]:
        """The rows that the key conditions lead to, partition by partition."""
        if not plan.partitions:
            yield from reading.rows(self.ctx, source, start=start)
            return
        wanted = self._ranges(source.view, plan)
        hashes = [hashed(key) for key, _ in wanted]
        if start is not None:
            if start[0] not in hashes:
                raise invalid("The provided NextToken does not belong to the statement")
            wanted = wanted[hashes.index(start[0]) :]
        for number, (key, within) in enumerate(wanted):
            bounds = query.span(source.view, within).bounds()
            after = start if number == 0 else None
            yield from reading.rows(self.ctx, source, hashed(key), start=after, reverse=plan.descending, **bounds)

    def _ranges(self, view: View, plan: Plan) -> list[tuple[str, KeyRange]]:
        """What to read of each partition, by the partition's key, in the order of the keys."""
        partition, sort = [part.name for part in view.partition], [part.name for part in view.sort]
        found: dict[str, KeyRange] = {}
        for literals in plan.partitions:
            equal = [Term(name, "=", (literal,)) for name, literal in zip(partition, literals, strict=True)]
            within = KeyCondition((*equal, *plan.terms), self.values).range(partition, sort, view.types)
            found[composed([values.key_text(value) for value in within.partition])] = within
        return sorted(found.items(), reverse=plan.partitions_descending, key=lambda pair: pair[0])


class Read(NamedTuple):
    """A SELECT as the Query or the Scan that it is."""

    TableName: str
    IndexName: str | None
    ConsistentRead: bool | None
    ReturnConsumedCapacity: str | None
    Select: str | None = None


def _values(statement: Statement, parameters: Sequence[values.Value]) -> Item:
    """The statement's values by their names, checked."""
    if len(parameters) != statement.parameters:
        raise invalid("Number of parameters in request and statement don't match.")
    found = {name: filled(template, parameters) for name, template in statement.literals.items()}
    for value in found.values():
        values.check_value(value, 0 if isinstance(statement.root, Insert) else 1)
    return found


def _view(table: Table, compiled: Schema, index_name: str) -> View:
    if not index_name:
        return compiled.main
    view = compiled.by_name.get(index_name)
    if view is None:
        raise invalid(f"The table does not have the specified index: {index_name}")
    return view


def _selected(root: Any) -> str | None:
    if not isinstance(root, Select):
        return None
    if root.paths is not None:
        return "SPECIFIC_ATTRIBUTES"
    return "ALL_PROJECTED_ATTRIBUTES" if root.source.index_name else "ALL_ATTRIBUTES"
