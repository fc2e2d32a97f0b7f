"""Faults that a slip of the hand would make, planted one at a time into a model's SQL.

A mutant is a compiled query in which one thing differs: a boundary off by one, a NULL guard
dropped, a code changed, a condition of a join lost, and the like. The query is parsed, changed in
its tree and written again, so that nothing but the fault changes; what a macro wrote is seen in
each model that calls it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

# One change: the node that gives way, and what comes in its place (None: the node changed itself).
Change = Callable[[exp.Expression], exp.Expression | None]

SWAPPED: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.LT: exp.LTE, exp.LTE: exp.LT, exp.GT: exp.GTE, exp.GTE: exp.GT,
    exp.EQ: exp.NEQ, exp.NEQ: exp.EQ,
}  # fmt: skip
COUNTERPART: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.Sum: exp.Count, exp.Min: exp.Max, exp.Max: exp.Min,
    exp.Greatest: exp.Least, exp.Least: exp.Greatest,
    exp.Add: exp.Sub, exp.Sub: exp.Add, exp.Mul: exp.Div, exp.Div: exp.Mul,
}  # fmt: skip
# Written by ingestion on each row.
NEVER_NULL = ("source_file", "source_line")
COMPARISONS = (*SWAPPED, exp.Between)


@dataclass(frozen=True)
class Mutant:
    """A model with one fault in it; ``id`` stays while the faulty place is written as it is."""

    id: str
    model: str
    kind: str
    place: str  # the CTE it is in
    before: str
    after: str
    spot: int
    number: int

    def __str__(self) -> str:
        return f"{self.id} [{self.place}] {self.before}  ->  {self.after}"


def parse(sql: str) -> exp.Expression:
    """Return the tree of a compiled query of DuckDB."""
    return sqlglot.parse_one(sql, dialect="duckdb")


def written(tree: exp.Expression) -> str:
    """Return a tree as a query of DuckDB."""
    return tree.sql(dialect="duckdb")


def mutants(model: str, sql: str) -> Iterator[Mutant]:
    """Return every mutant of a model's compiled query, in a fixed order.

    The tree is not copied here: a long query has thousands of places, and few of them are tried.
    """
    seen: dict[tuple[str, ...], int] = {}
    for place, node in enumerate(parse(sql).walk()):
        for number, (kind, change) in enumerate(_changes(node)):
            # Text of the smallest clause that holds the place: one can find it.
            context, steps = _context(node)
            before = written(context)
            copy = context.copy()
            target = copy
            for name, index in steps:
                target = target.args[name] if index is None else target.args[name][index]
            after = written(_changed(copy, target, change))
            if after == before:
                continue
            cte = _cte(node)
            key = (kind, cte, before, after)
            seen[key] = seen.get(key, 0) + 1
            mark = hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()[:8]
            yield Mutant(f"{model}:{kind}:{mark}", model, kind, cte, before, after, place, number)


def planted(sql: str, mutant: Mutant) -> str:
    """Return a model's compiled query with the fault of a mutant in it."""
    tree = parse(sql)
    target = next(node for place, node in enumerate(tree.walk()) if place == mutant.spot)
    _, change = list(_changes(target))[mutant.number]
    return written(_changed(tree, target, change))


def _changed(tree: exp.Expression, target: exp.Expression, change: Change) -> exp.Expression:
    replacement = change(target)
    if replacement is None:
        return tree
    if target is tree:
        return replacement
    target.replace(replacement)
    return tree


def _cte(node: exp.Expression) -> str:
    found = node.find_ancestor(exp.CTE)
    return found.alias if found else ""


def _context(node: exp.Expression) -> tuple[exp.Expression, list[tuple[str, int | None]]]:
    """Return the clause around a node and the way from it to the node."""
    around = node
    steps: list[tuple[str, int | None]] = []
    whole = (exp.CTE, exp.With, exp.Subquery, exp.Select, exp.SetOperation)
    while around.parent is not None and not isinstance(around.parent, whole):
        if len(written(around)) >= 40 and around is not node:
            break
        steps.insert(0, (str(around.arg_key), around.index))
        around = around.parent
    return around, steps


def _changes(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    """Return the faults that a node may have, by kind."""
    yield from _boundaries(node)
    yield from _null_guards(node)
    yield from _codes(node)
    yield from _conditions(node)
    yield from _joins(node)
    if isinstance(node, exp.Union) and not _made_distinct(node):
        yield "union", _set_distinct
    if isinstance(node, (exp.Sum, exp.Min, exp.Max, exp.Greatest, exp.Least)):
        yield "aggregate", _counterpart
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct):
        yield "aggregate", _not_distinct
    if isinstance(node, exp.Sum):
        yield "aggregate", lambda old: exp.Max(this=old.this.copy())
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div)):
        yield "arithmetic", _counterpart
    if isinstance(node, exp.Ordered) and node.find_ancestor(exp.Window):
        yield "order", _other_way
        if not _never_null(node.this):
            yield "order", _other_nulls
    if isinstance(node, exp.Window):
        for number in range(len(node.args.get("partition_by") or [])):
            yield "key", lambda old, n=number: _without(old, "partition_by", n)
        order = node.args.get("order")
        if order is not None and len(order.expressions) > 1:
            yield "order", _first_order_dropped


def _boundaries(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    if isinstance(node, (exp.LT, exp.LTE, exp.GT, exp.GTE)):
        yield "boundary", _swap
    if _is_number(node) and _compared(node):
        yield "boundary", lambda old: exp.Literal.number(int(old.this) + 1)
        if isinstance(node.find_ancestor(exp.Between), exp.Between):
            yield "boundary", lambda old: exp.Literal.number(int(old.this) - 1)
    if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.DATE:
        date = _date(node)
        if date is not None and _compared(node):
            yield "boundary", lambda old: _moved(old, date + dt.timedelta(days=1))
            yield "boundary", lambda old: _moved(old, date - dt.timedelta(days=1))
    if isinstance(node, exp.Between):
        for side in ("low", "high"):
            yield (
                "boundary",
                lambda old, s=side: exp.and_(
                    *(
                        (exp.GT if s == "low" else exp.GTE)(
                            this=old.this.copy(), expression=old.args["low"].copy()
                        ),
                        (exp.LT if s == "high" else exp.LTE)(
                            this=old.this.copy(), expression=old.args["high"].copy()
                        ),
                    )
                ),
            )


def _null_guards(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    if isinstance(node, exp.Coalesce):
        yield "null", lambda old: old.this.copy()
    if isinstance(node, exp.Nullif):
        yield "null", lambda old: old.this.copy()
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        negated = isinstance(node.parent, exp.Not)
        yield "null", lambda old: exp.Boolean(this=negated)  # `not` around gives the other


def _codes(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    coded = (exp.EQ, exp.NEQ, exp.In, exp.If, exp.Case, exp.Like)
    if isinstance(node, exp.Literal) and node.is_string and isinstance(node.parent, coded):
        yield "code", lambda old: exp.Literal.string(_other_text(old.this))
    if _is_number(node) and isinstance(node.parent, (exp.EQ, exp.NEQ, exp.In, exp.If, exp.Case)):
        yield "code", lambda old: exp.Literal.number(int(old.this) + 1)
    if isinstance(node, exp.In) and len(node.expressions) > 1:
        for number in range(len(node.expressions)):
            yield "code", lambda old, n=number: _without(old, "expressions", n)
    if isinstance(node, exp.Boolean) and not isinstance(node.parent, exp.Where):
        yield "code", lambda old: exp.Boolean(this=not old.this)


def _conditions(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    if isinstance(node, (exp.And, exp.Or)):
        other = exp.Or if isinstance(node, exp.And) else exp.And
        yield "connective", lambda old: _bare(old, other)
    # A condition of a WHERE, of a CASE or of a flag is lost, or says the contrary.
    if isinstance(node, (exp.And, exp.Or)) and not node.find_ancestor(exp.Join):
        yield "condition", lambda old: old.left.copy()
        yield "condition", lambda old: old.right.copy()
    if isinstance(node, exp.Where):
        yield "condition", lambda old: exp.Where(this=exp.Boolean(this=True))
    if isinstance(node, exp.Case) and len(node.args["ifs"]) > 1:
        for number in range(len(node.args["ifs"])):
            yield "condition", lambda old, n=number: _without(old, "ifs", n)
    if isinstance(node, (exp.EQ, exp.NEQ)) and not node.find_ancestor(exp.Join):
        yield "negation", _swap
    if isinstance(node, exp.Not):
        yield "negation", lambda old: old.this.copy()
    if isinstance(node, (exp.In, exp.Exists)) and not isinstance(node.parent, exp.Not):
        yield "negation", lambda old: exp.Not(this=old.copy())


def _joins(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    if not isinstance(node, exp.Join):
        return
    condition = node.args.get("on")
    if condition is None:
        return
    if node.side or not _null_refused(node):
        yield "join", _other_side
    parts = list(condition.flatten()) if isinstance(condition, exp.And) else []
    for number in range(len(parts)):
        yield "key", lambda old, n=number: _lost_key(old, n)


def _never_null(ordered: exp.Expression) -> bool:
    """Tell whether what is ordered by cannot be NULL: then where NULLs come changes nothing."""
    if isinstance(ordered, exp.Case):
        given = [each.args["true"] for each in ordered.args["ifs"]] + [ordered.args.get("default")]
        return all(isinstance(each, exp.Literal) for each in given)
    return isinstance(ordered, exp.Column) and ordered.name in NEVER_NULL


def _null_refused(join: exp.Join) -> bool:
    """Tell whether a later clause drops the rows that a left join would add: nothing changes."""
    select = join.parent
    if not isinstance(select, exp.Select):
        return False
    later = [
        each.args.get("on") for each in select.args["joins"] if each is not join and not each.side
    ]
    where = select.args.get("where")
    later.append(where.this if where else None)
    refusing = (*SWAPPED, exp.In, exp.Like, exp.Between)
    for clause in later:
        for part in clause.flatten() if isinstance(clause, exp.And) else [clause]:
            each = part.unnest() if part is not None else None
            told: exp.Expression | None = None
            if isinstance(each, exp.Not):
                told = each.this.this if isinstance(each.this, exp.Is) else each.this
            elif each is not None:
                told = each.this if isinstance(each, refusing) else each
            other = each.expression if isinstance(each, tuple(SWAPPED)) else None
            for side in (told, other):
                if isinstance(side, exp.Column) and side.table == join.alias_or_name:
                    return True
    return False


def _made_distinct(union: exp.Union) -> bool:
    """Tell whether all that read a union drop repeated rows themselves: nothing changes."""
    around: exp.Expression = union
    while isinstance(around.parent, exp.Union):
        around = around.parent
    if isinstance(around.parent, exp.Subquery):
        return _drops_repeated(around.parent.find_ancestor(exp.Select))
    cte = around.parent
    if not isinstance(cte, exp.CTE):
        return False
    readers = [
        table.find_ancestor(exp.Select)
        for table in cte.root().find_all(exp.Table)
        if table.name == cte.alias and not table.db
    ]
    return bool(readers) and all(_drops_repeated(each) for each in readers)


def _drops_repeated(select: exp.Expression | None) -> bool:
    """Tell whether a query says the same of rows that are there once and twice."""
    if not isinstance(select, exp.Select) or select.args.get("joins"):
        return False
    if any(select.find_all(exp.Window)):
        return False
    if select.args.get("distinct"):
        return True
    plain = (exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)
    return bool(select.args.get("group")) and all(
        isinstance(each, plain) for each in select.find_all(exp.AggFunc)
    )


def _swap(node: exp.Expression) -> exp.Expression:
    return SWAPPED[type(node)](this=node.this.copy(), expression=node.expression.copy())


def _counterpart(node: exp.Expression) -> exp.Expression:
    other = COUNTERPART[type(node)]
    args = {name: value for name, value in node.copy().args.items() if value is not None}
    return other(**args)


def _bare(node: exp.Expression, other: type[exp.Expression]) -> exp.Expression:
    """Return the other connective; each side keeps its own extent."""
    sides = [each.copy() for each in (node.left, node.right)]
    wrapped = [exp.paren(each) if isinstance(each, exp.Connector) else each for each in sides]
    changed = other(this=wrapped[0], expression=wrapped[1])
    return exp.paren(changed) if isinstance(node.parent, (exp.Connector, exp.Not)) else changed


def _set_distinct(node: exp.Expression) -> None:
    node.set("distinct", not node.args.get("distinct"))


def _not_distinct(node: exp.Expression) -> exp.Expression:
    return exp.Count(this=node.this.expressions[0].copy())


def _other_way(node: exp.Expression) -> None:
    node.set("desc", not node.args.get("desc"))


def _other_nulls(node: exp.Expression) -> None:
    node.set("nulls_first", not node.args.get("nulls_first"))


def _first_order_dropped(node: exp.Expression) -> None:
    node.args["order"].set("expressions", node.args["order"].expressions[1:])


def _other_side(node: exp.Expression) -> None:
    if node.side == "LEFT":
        node.set("side", None)
        node.set("kind", "INNER")
    elif node.side == "FULL":
        node.set("side", "LEFT")
        node.set("kind", None)
    else:
        node.set("side", "LEFT")
        node.set("kind", None)


def _lost_key(node: exp.Expression, number: int) -> None:
    parts = list(node.args["on"].flatten())
    node.set("on", exp.and_(*(each.copy() for n, each in enumerate(parts) if n != number)))


def _without(node: exp.Expression, name: str, number: int) -> None:
    node.set(name, [each for n, each in enumerate(node.args[name]) if n != number])


def _is_number(node: exp.Expression) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit()


def _compared(node: exp.Expression) -> bool:
    """Tell whether a literal bounds something, by itself or within a sum."""
    around = node.parent
    while isinstance(around, (exp.Add, exp.Sub, exp.Paren, exp.Neg)):
        around = around.parent
    return isinstance(around, (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between))


def _date(node: exp.Cast) -> dt.date | None:
    if isinstance(node.this, exp.Literal) and node.this.is_string:
        try:
            found = dt.date.fromisoformat(node.this.this)
        except ValueError:
            return None
        # The last day of the calendar has no neighbour.
        return found if dt.date.min < found < dt.date(9999, 12, 31) else None
    return None


def _moved(node: exp.Expression, date: dt.date) -> exp.Expression:
    return exp.cast(exp.Literal.string(date.isoformat()), "date")


def _other_text(text: str) -> str:
    """Return another code of the same length: the last letter or digit is the next one."""
    if not text:
        return "?"
    last = text[-1]
    if last.isdigit():
        return text[:-1] + str((int(last) + 1) % 10)
    return text[:-1] + ("z" if last != "z" else "y")
