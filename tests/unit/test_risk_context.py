"""How frequent an ALD is among people like one, from those who have it on the day."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from openchronic_assets.analytics.risk import context

HELD = "select place, ald_num from held"
EVERYBODY = "select subject as place from subject order by subject"


@pytest.fixture
def people() -> duckdb.DuckDBPyConnection:
    """A thousand people of two departments; one in five of the first has ALD 8, none elsewhere."""
    connection = duckdb.connect()
    connection.execute(
        """
        create table subject as
        select n as subject, date '2020-01-01' + ((n % 2) * 366)::integer as landmark,
            case when n % 4 < 2 then '2' else '1' end as sex, 40 + n % 40 as age,
            case when n < 500 then '29' when n < 1000 then '974' end as department
        from range(1010) as t(n);
        create table held as select n as place, 8 as ald_num from range(0, 500, 5) as t(n);
        insert into held values (1001, 5), (1001, 30), (3, 8), (3, 12);
        """
    )
    return connection


def test_the_frequency_is_that_of_the_age_and_sex_times_what_the_department_has_more(
    people: duckdb.DuckDBPyConnection,
) -> None:
    found = context.frequencies(people, HELD, EVERYBODY)["frequency_ald_08"]
    rows = people.execute("from subject order by subject").fetchall()
    held = {place for place, number in people.execute("from held").fetchall() if number == 8}
    for who in (0, 3, 7, 600, 1005):
        _, day, sex, age, department = rows[who]
        that_day = [row for row in rows if row[1] == day]
        overall = np.mean([row[0] in held for row in that_day])

        def usual(sex: str, age: int, that_day: list = that_day, overall: float = overall) -> float:  # type: ignore[type-arg]
            near = [row for row in that_day if row[2] == sex and abs(row[3] - age) <= 3]
            return (sum(row[0] in held for row in near) + 10 * overall) / (len(near) + 10)

        here = [row for row in that_day if row[4] == department]
        ratio = (sum(row[0] in held for row in here) + 20) / (
            sum(usual(row[2], row[3]) for row in here) + 20
        )
        assert found[who] == pytest.approx(10_000 * usual(sex, age) * ratio)
    assert found[0] > 2 * found[600]


def test_any_counts_a_person_of_two_ald_once_and_groups_only_their_own(
    people: duckdb.DuckDBPyConnection,
) -> None:
    found = context.frequencies(people, HELD, EVERYBODY)
    people.execute("delete from held where place = 1001 and ald_num = 30")
    fewer = context.frequencies(people, HELD, EVERYBODY)
    assert np.array_equal(found["frequency_any"], fewer["frequency_any"])
    assert found["frequency_ald_30"].sum() > 0 == fewer["frequency_ald_30"].sum()
    people.execute("delete from held where ald_num = 12")  # a group that nobody predicts
    assert np.array_equal(
        fewer["frequency_ald_08"], context.frequencies(people, HELD, EVERYBODY)["frequency_ald_08"]
    )


def test_asking_for_some_people_changes_nothing_for_them(
    people: duckdb.DuckDBPyConnection,
) -> None:
    whole = context.frequencies(people, HELD, EVERYBODY)
    some = context.frequencies(people, HELD, "select * from (values (7), (600)) as t(place)")
    for name, values in some.items():
        assert np.array_equal(values, whole[name][[7, 600]])
    people.execute("delete from held")
    none = context.frequencies(people, HELD, EVERYBODY)
    assert all((values == 0).all() for values in none.values())
    assert len(context.frequencies(people, HELD, "select 1 as place where false")[
        "frequency_any"]) == 0  # fmt: skip
