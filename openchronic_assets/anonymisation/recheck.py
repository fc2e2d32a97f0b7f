"""An independent look at a written table: the criteria counted again, in SQL, from the bytes.

Shares nothing with the recoders but the definitions. Whole numbers throughout, so that a class on
a threshold is judged exactly; entropies and logarithms are floats with a margin of 1e-9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import duck
from openchronic_assets.anonymisation.battery import Distance, quoted
from openchronic_assets.anonymisation.criteria import Criteria
from openchronic_assets.errors import Refused


def source_of(path: Path, separator: str) -> str:
    """Return what stands after ``from`` for a written file."""
    name = str(path).replace("'", "''")
    if path.suffix.lower() in (".parquet", ".pq"):
        return f"read_parquet('{name}')"
    mark = separator.replace("'", "''")
    quote = "quote = '\"', escape = '\"', nullstr = '', auto_detect = false"
    return f"read_csv('{name}', header = true, delim = '{mark}', {quote}, columns = {{columns}})"


def recheck(
    path: Path,
    separator: str,
    columns: Sequence[str],
    rows: int,
    quasi: Mapping[str, Iterable[str]],
    sensitive: Mapping[str, Distance],
    asked: Criteria,
) -> int:
    """Count everything again.

    Args:
        path: the written file.
        separator: of a CSV file.
        columns: what it must hold, in order.
        rows: how many rows it must hold.
        quasi: for each quasi-identifier, the values that may be published.
        sensitive: sensitive columns with their distances.
        asked: what each class must satisfy.

    Returns:
        k as it was found.

    Raises:
        Refused: something is not as it must be.
    """
    source = source_of(path, separator).replace(
        "{columns}",
        "{" + ", ".join("'" + c.replace("'", "''") + "': 'VARCHAR'" for c in columns) + "}",
    )
    names = ", ".join(quoted(name) for name in quasi)
    with duck.connect(threads="2", preserve_insertion_order="false") as connection:

        def one(query: str) -> Any:
            return (connection.execute(query).fetchone() or (None,))[0]

        described = connection.execute(f"describe select * from {source}").fetchall()
        if [line[0] for line in described] != list(columns):
            _refuse("its columns are not those that were meant")
        connection.execute(
            f"create temp table classes as select {names}, count(*)::hugeint as n "
            f"from {source} group by all"
        )
        if one("select coalesce(sum(n), 0)::bigint from classes") != rows:
            _refuse("its number of rows is not the one that was meant")
        found = one("select min(n)::bigint from classes")
        if found is None or found < asked.k:
            _refuse(f"its smallest class has {found or 0} rows, below k = {asked.k}")
        for name, allowed in quasi.items():
            values = {
                line[0]
                for line in connection.execute(
                    f"select distinct {quoted(name)}::varchar from classes"
                ).fetchall()
            }
            strange = len(values - set(allowed) - {None}) if allowed else 0
            if strange:
                _refuse(f"column {name} holds {strange} values that are in no hierarchy")
        if asked.needs_sensitive:
            for name, distance in sensitive.items():
                _check_sensitive(connection, source, names, name, distance, asked)
    return int(found)


def _refuse(what: str) -> None:
    raise Refused(f"the written table was read again and {what}; nothing was published")


def _check_sensitive(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    names: str,
    sensitive: str,
    distance: Distance,
    asked: Criteria,
) -> None:
    texts = [
        line[0]
        for line in connection.execute(
            f"select distinct {quoted(sensitive)}::varchar from {source}"
        ).fetchall()
    ]
    ordered = distance.order(texts)
    connection.execute("create or replace temp table ranks (value varchar, rank integer)")
    connection.executemany(
        "insert into ranks values (?, ?)", [[value, rank] for rank, value in enumerate(ordered)]
    )
    connection.execute(
        f"""
        create or replace temp table entries as
        with cube as (
            select {names}, {quoted(sensitive)}::varchar as value, count(*)::hugeint as c
            from {source} group by all
        ),
        numbered as (
            select dense_rank() over (order by {names}) as id, value, c from cube
        )
        select id, rank, c, sum(c) over (partition by id)::hugeint as n,
            sum(c) over (partition by rank)::hugeint as total, sum(c) over ()::hugeint as everybody
        from numbered join ranks on numbered.value is not distinct from ranks.value
        """
    )

    def bad(query: str) -> bool:
        row = connection.execute(f"select count(*) from ({query})").fetchone()
        return row is None or row[0] > 0

    if asked.l is not None:
        if asked.l_kind == "distinct":
            failed = bad(f"select id from entries group by id having count(*) < {int(asked.l)}")
        elif asked.l_kind == "entropy":
            failed = bad(
                "select id from entries group by id having "
                f"exp(-sum(c / n * ln(c / n))) < {float(asked.l)!r} - 1e-9"
            )
        else:
            assert asked.c is not None
            failed = bad(
                f"""
                select id from (
                    select id, c, row_number() over (partition by id order by c desc) as place
                    from entries
                ) group by id having max(c) * {asked.c.denominator}::hugeint
                    >= coalesce(sum(c) filter (where place >= {int(asked.l)}), 0)
                        * {asked.c.numerator}::hugeint
                """
            )
        if failed:
            _refuse(f"a class is not {float(asked.l):g}-diverse in {sensitive}")
    if asked.alpha is not None and bad(
        f"select 1 from entries where c * {asked.alpha.denominator}::hugeint "
        f"> n * {asked.alpha.numerator}::hugeint"
    ):
        _refuse(f"a class holds a value of {sensitive} more often than alpha allows")
    if asked.t is not None and bad(_far(distance, ordered, asked)):
        _refuse(f"a class is farther than t from the table in {sensitive}")
    if asked.beta is not None and bad(
        f"select 1 from entries where c * everybody * {asked.beta.denominator}::hugeint "
        f"> n * total * {(asked.beta + 1) * asked.beta.denominator}::hugeint"
        + (
            " or (c * everybody > n * total and "
            "(c * everybody)::double / (n * total) - 1 > ln(everybody / total) + 1e-9)"
            if asked.enhanced
            else ""
        )
    ):
        _refuse(f"a class gains more on {sensitive} than beta allows")
    if asked.delta is not None and bad(
        "select 1 from entries where abs(ln((c * everybody)::double / (n * total))) "
        f"> {float(asked.delta)!r} + 1e-9"
    ):
        _refuse(f"a class discloses more on {sensitive} than delta allows")


def _far(distance: Distance, ordered: Sequence[str | None], asked: Criteria) -> str:
    """Return a query for the classes that are farther than t from the table."""
    assert asked.t is not None
    top, below = asked.t.numerator, asked.t.denominator
    if distance.kind == "equal":
        # Values that a class lacks differ by their whole share.
        return f"""
            select id from entries group by id, n, everybody
            having (sum(abs(c * everybody - total * n)) + n * (everybody - sum(total)))
                * {below}::hugeint > 2 * n * everybody * {top}::hugeint
        """
    full = """
        select i.id, i.n, i.everybody, r.rank,
            coalesce(e.c, 0) * i.everybody - r.total * i.n as extra
        from (select distinct id, n, everybody from entries) i
        cross join (select distinct rank, total from entries) r
        left join entries e on e.id = i.id and e.rank = r.rank
    """
    if distance.kind == "ordered":
        steps = max(1, len(ordered) - 1)
        return f"""
            with extras as ({full}),
            passed as (
                select id, n, everybody, sum(extra) over (partition by id order by rank) as moved
                from extras
            )
            select id from passed group by id, n, everybody
            having sum(abs(moved)) * {below}::hugeint > {steps} * n * everybody * {top}::hugeint
        """
    tree = distance.tree(ordered)
    assert tree is not None
    height = max(1, len(tree) - 1)
    costs = []
    for level in range(1, len(tree)):
        pairs = ", ".join(
            f"({rank}, {int(tree[level - 1][rank])}, {int(tree[level][rank])})"
            for rank in range(len(ordered))
        )
        costs.append(
            f"""
            select id, n, everybody, {level} * least(
                sum(case when extra > 0 then extra else 0 end),
                sum(case when extra < 0 then -extra else 0 end)
            ) as cost
            from (
                select id, n, everybody, child, parent, sum(extra) as extra
                from extras join (values {pairs}) as tree(rank, child, parent) using (rank)
                group by id, n, everybody, child, parent
            )
            group by id, n, everybody, parent
            """
        )
    return f"""
        with extras as ({full}), costs as ({" union all ".join(costs)})
        select id from costs group by id, n, everybody
        having sum(cost) * {below}::hugeint > {height} * n * everybody * {top}::hugeint
    """
