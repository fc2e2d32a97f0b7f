"""Longitudinal data: what a few known events tell, and what can be done about it.

A care pathway is its own fingerprint: with 30 events over ten years, two known (code, month)
points single out most people and three nearly all. No recoding of the patient table changes that.
So event-level data are for named users only, with what is measured here beside them:

- k^m-anonymity (Terrovitis et al. 2008): any m points known of somebody fit at least k people;
- LKC-privacy (Mohammed et al. 2009): any L points fit K people, and no sensitive value is shared
  by more than C of them;
- the known-points attack: the share of people singled out by 1 to 5 random events of theirs.

A point is (code, time), each generalised: codes by their hierarchy or by prefixes (ATC, CIM-10 are
trees of prefixes), time to months, quarters, years. Dates are shifted by a keyed number of days,
the same for all events of a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import duck
from openchronic_assets.errors import OpenChronicError, UsageError

TIMES = {
    "day": "cast({0} as varchar)",
    "month": "strftime({0}, '%Y-%m')",
    "quarter": "concat(year({0}), '-T', quarter({0}))",
    "year": "cast(year({0}) as varchar)",
    "none": "''",
    "as_is": "cast({0} as varchar)",
}
"""SQL of each level of time, from the finest to none; ``as_is`` for a time that is generalised."""

SHIFT_WINDOW = 180
"""Dates move by at most this many days either way: enough to blur public dated events."""


@dataclass(frozen=True)
class Events:
    """Where events are.

    Attributes:
        files: Parquet files, one row an event.
        person: column of the person.
        code: column of the code.
        date: column of the date.
        sensitive: column of a sensitive value of the person's, for LKC; None without.
        where: SQL condition.
    """

    files: tuple[Path, ...]
    person: str = "person_id"
    code: str = "code"
    date: str = "care_date"
    sensitive: str | None = None
    where: str = "true"


@dataclass(frozen=True)
class Support:
    """How many people share what can be known of one of them.

    Attributes:
        points: events known (m, or L).
        combinations: distinct combinations of that many points.
        rare: those that fit fewer than k people.
        people: people with at least that many points.
        people_in_rare: those of whom some combination is rare.
        confident: combinations of enough people in which a sensitive value is above C.
    """

    points: int
    combinations: int
    rare: int
    people: int
    people_in_rare: int
    confident: int


def _connect(memory_limit: str, temporary: Path | None) -> duckdb.DuckDBPyConnection:
    config: dict[str, Any] = {
        "memory_limit": memory_limit,
        "threads": "2",
        "preserve_insertion_order": "false",
    }
    if temporary is not None:
        config["temp_directory"] = str(temporary)
    return duck.connect(**config)


def _points(
    connection: duckdb.DuckDBPyConnection, events: Events, prefix: int | None, time: str
) -> None:
    """Make the table ``point``: numbers of persons and of their distinct points, NULL a value."""
    if time not in TIMES:
        raise UsageError(f"time is one of {', '.join(TIMES)}")
    if prefix is not None and prefix < 0:
        raise UsageError("a prefix has no fewer than 0 characters")

    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    code = f"coalesce(cast({quoted(events.code)} as varchar), '')"
    if prefix is not None:
        code = f"left({code}, {prefix})"
    moment = f"coalesce({TIMES[time].format(quoted(events.date))}, '')"
    sensitive = (
        "''" if events.sensitive is None
        else f"coalesce(cast({quoted(events.sensitive)} as varchar), '')"
    )  # fmt: skip
    try:
        connection.execute(
            f"""
            create temp table named as
            select distinct
                cast({quoted(events.person)} as varchar) as person,
                concat({code}, '|', {moment}) as point,
                {sensitive} as sensitive
            from read_parquet($files, union_by_name = true)
            where {quoted(events.person)} is not null and ({events.where})
            """,
            {"files": [str(f) for f in events.files]},
        )
    except duckdb.Error as error:
        raise OpenChronicError(
            f"the events cannot be read ({type(error).__name__}); check files and columns"
        ) from None
    connection.execute(
        """
        create temp table point as
        with who as (
            select person, max(sensitive) as sensitive, row_number() over (order by person) as id
            from named group by person
        ),

        what as (select point, row_number() over (order by point) as id from
                 (select distinct point from named))

        select distinct who.id as person, what.id as point, who.sensitive
        from named join who using (person) join what using (point)
        """
    )


def support(
    events: Events,
    points: int,
    k: int,
    *,
    prefix: int | None = None,
    time: str = "month",
    confidence: float = 1.0,
    memory_limit: str = "2GB",
    temporary: Path | None = None,
) -> Support:
    """Count the combinations of ``points`` events and those that fewer than ``k`` people share.

    Args:
        events: where they are.
        points: m of k^m, L of LKC; 1 to 3.
        k: fewest people.
        prefix: characters of the code that are kept; all when None.
        time: level of time, see :data:`TIMES`.
        confidence: C of LKC: largest share of one sensitive value.
        memory_limit: of DuckDB, which spills beyond.
        temporary: folder to spill in.

    Raises:
        UsageError: a parameter is out of range.
        OpenChronicError: the events cannot be read.
    """
    if not 1 <= points <= 3 or k < 1 or not 0 < confidence <= 1:
        raise UsageError("points are 1 to 3, k at least 1, the confidence above 0 and at most 1")
    with _connect(memory_limit, temporary) as connection:
        _points(connection, events, prefix, time)
        joins = "".join(
            f" join point as p{n} on p{n}.person = p1.person and p{n}.point > p{n - 1}.point"
            for n in range(2, points + 1)
        )
        known = ", ".join(f"p{n}.point as x{n}" for n in range(1, points + 1))
        keys = ", ".join(f"x{n}" for n in range(1, points + 1))
        connection.execute(
            f"create temp table known as select p1.person, p1.sensitive, {known} "
            f"from point as p1{joins}"
        )
        connection.execute(
            f"""
            create temp table combination as
            with value as (
                select {keys}, sensitive, count(*) as n from known group by all
            )

            select {keys}, sum(n) as people, max(n) as largest from value group by {keys}
            """
        )
        on = " and ".join(f"known.x{n} = combination.x{n}" for n in range(1, points + 1))
        counts = connection.execute(
            f"""
            select
                count(*),
                count(*) filter (where people < {k}),
                (select count(distinct person) from known),
                (
                    select count(distinct known.person) from known join combination on {on}
                    where combination.people < {k}
                ),
                count(*) filter (
                    where people >= {k} and largest > {confidence} * people + 1e-9
                )
            from combination
            """
        ).fetchone() or (0, 0, 0, 0, 0)
    total, rare, people, touched, confident = (int(value) for value in counts)
    return Support(
        points, total, rare, people, touched, confident if events.sensitive is not None else 0
    )


def generalise(
    events: Events,
    points: int,
    k: int,
    prefixes: Sequence[int],
    times: Sequence[str] = ("month", "quarter", "year", "none"),
    *,
    confidence: float = 1.0,
    rare_share: float = 0.0,
    **options: Any,
) -> tuple[int, str, Support] | None:
    """Return the finest levels of code and time at which the events are k^m or LKC, or None.

    Levels are tried from the finest: fewest steps up first, time before code at equal steps.

    Args:
        events: where they are.
        points: m, or L.
        k: fewest people.
        prefixes: characters kept of the code, from the finest level to the coarsest.
        times: levels of time, finest first.
        confidence: C of LKC.
        rare_share: share of combinations that may be rare (their events are then removed).
        options: see :func:`support`.
    """
    grid = sorted(
        ((i + j, i, j) for i in range(len(prefixes)) for j in range(len(times))),
        key=lambda each: (each[0], each[1]),
    )
    for _, i, j in grid:
        found = support(
            events, points, k, prefix=prefixes[i], time=times[j], confidence=confidence, **options
        )
        if found.rare <= rare_share * found.combinations and not found.confident:
            return prefixes[i], times[j], found
    return None


def known_points(
    events: Events,
    *,
    prefix: int | None = None,
    time: str = "month",
    most: int = 5,
    people: int = 2000,
    seed: int = 0,
    memory_limit: str = "2GB",
    temporary: Path | None = None,
) -> dict[str, Any]:
    """Attack: of people drawn at random, the share singled out by 1 to ``most`` known events.

    Returns:
        ``people`` attacked, ``population``, ``singled_out``: number of points to share. Someone
        with fewer events than points is attacked with all of them.

    Raises:
        OpenChronicError: there is nobody to attack, or the events cannot be read.
    """
    with _connect(memory_limit, temporary) as connection:
        _points(connection, events, prefix, time)
        population = int((connection.execute(
            "select count(distinct person) from point").fetchone() or (0,))[0])  # fmt: skip
        if not population:
            raise OpenChronicError("there are no events of known people: nobody can be attacked")
        connection.execute(
            f"""
            create temp table target as
            select distinct person from point
            order by hash(person, {int(seed)}), person limit {int(people)}
            """
        )
        connection.execute(
            f"""
            create temp table known as
            select
                person as target,
                point,
                row_number() over (
                    partition by person order by hash(person, point, {int(seed)}), point
                ) as place
            from point semi join target using (person)
            """
        )
        shares = {}
        for points in range(1, most + 1):
            alone, asked = connection.execute(
                f"""
                with chosen as (select * from known where place <= {points}),

                wanted as (select target, count(*) as n from chosen group by target),

                fitting as (
                    select chosen.target, point.person, count(*) as n
                    from chosen join point using (point)
                    group by all
                ),

                matched as (
                    select fitting.target, count(*) as people
                    from fitting join wanted using (target)
                    where fitting.n = wanted.n
                    group by fitting.target
                )

                select count(*) filter (where people = 1), count(*) from matched
                """
            ).fetchone() or (0, 0)
            shares[str(points)] = alone / asked if asked else 0.0
    return {"people": asked, "population": population, "singled_out": shares}


def shift_sql(person: str, secret: bytes, window: int = SHIFT_WINDOW) -> str:
    """Return SQL for the days by which a person's dates move: -window .. window, keyed, never 0.

    The same person always moves by the same days, so that intervals hold and re-runs agree; with
    another secret, by others. The number is nowhere in the output.
    """
    if window < 1:
        raise UsageError("the window of a date shift has at least one day")
    salt = hashlib.sha256(b"shift:" + secret).hexdigest()
    number = (
        f"(('0x' || substr(sha256(concat('{salt}', cast({person} as varchar))), 1, 12))::bigint "
        f"% {2 * window})"
    )
    return (
        f"(case when {number} < {window} then {number} - {window} else {number} - {window - 1} end)"
    )
