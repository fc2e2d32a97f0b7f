"""Care that follows a rule: who has it, when, how often, and what is left as it was."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from openchronic_assets.synthetic import figures, followup
from openchronic_assets.synthetic.delivery import Form
from openchronic_assets.synthetic.generate import Block, Request, make_block
from openchronic_assets.synthetic.medicine import drugs
from openchronic_assets.synthetic.text import day
from openchronic_assets.synthetic.universe import build

YEARS = (2019, 2021)
DEPARTMENTS = ("23", "62", "974")
SEED = 11
LAST = day(YEARS[1] + 1) - 1


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return [_block(number) for number in range(2)]


def _block(number: int) -> Block:
    form = Form("portal", "csv", "none", SEED, YEARS[1])
    asked = Request(10_000, YEARS, SEED, DEPARTMENTS, 10_000, form, "base", 0)
    world = build(SEED, 10_000, DEPARTMENTS, asked.crude_deaths)
    return make_block(asked, world, number)


def _seen_whole(made: Block, first: int) -> np.ndarray:
    """Whether each person is there, and seen, from a day to the end of the years."""
    people = made.people
    return (people.birth < first) & (people.death > LAST) & ~people.silent


def _days_of(made: Block, chosen: np.ndarray) -> dict[int, list[int]]:
    """Days of the lines chosen, by person, without those that were taken back."""
    lines = made.lines.lines
    found: dict[int, list[int]] = {}
    for position in np.flatnonzero(chosen & (lines["quantity"] > 0)).tolist():
        found.setdefault(int(lines["person"][position]), []).append(int(lines["care"][position]))
    return {who: sorted(set(days)) for who, days in found.items()}


def _near(found: int, of: int, share: float) -> bool:
    """Whether a count is within four standard errors of a share, and two points."""
    return bool(abs(found / of - share) < 4 * (share * (1 - share) / of) ** 0.5 + 0.02)


def _programme(made: Block, name: str) -> dict[int, list[int]]:
    row = next(r for r in figures.rows("programmes.csv") if r["programme"] == name)
    if row["system"] == "PRS_NAT" or row["nature"] == "1336":
        return _days_of(made, made.lines.lines["nature"] == int(row["nature"]))
    chosen = np.zeros(len(made.lines.lines["care"]), bool)
    acts, tests = made.lines.details["ER_CAM_F"], made.lines.details["ER_BIO_F"]
    chosen[acts.line[acts.columns["act"] == followup.acts().index(row["code"])]] = True
    chosen[tests.line[tests.columns["code"] == 4127]] = True
    return _days_of(made, chosen)


def _tested(made: Block, codes: tuple[int, ...], start: int) -> dict[int, list[int]]:
    """Days from a first one on which biology of some codes was done, by person."""
    lines, tests = made.lines.lines, made.lines.details["ER_BIO_F"]
    chosen = np.zeros(len(lines["care"]), bool)
    chosen[tests.line[np.isin(tests.columns["code"], codes)]] = True
    return _days_of(made, chosen & (lines["care"] >= start))


@pytest.mark.parametrize(
    ("name", "sex", "ages", "years"),
    [
        ("breast_screening", 2, (50, 74), 2),
        ("colorectal_screening", 0, (50, 74), 2),
        ("cervical_screening", 2, (25, 65), 3),
    ],
)
def test_screening_is_of_its_people_at_its_interval_and_as_frequent_as_published(
    blocks: list[Block], name: str, sex: int, ages: tuple[int, int], years: int
) -> None:
    published = next(
        float(r["published"]) for r in figures.rows("programmes.csv") if r["programme"] == name
    )
    asked = screened = 0
    for made in blocks:
        people, found = made.people, _programme(made, name)
        for who, days in found.items():
            assert not sex or people.sex[who] == sex
            assert all(ages[0] <= (d - people.birth[who]) / 365.25 < ages[1] + 1 for d in days)
            assert all(later - d > 300 * years for d, later in zip(days, days[1:], strict=False))
            assert days[-1] <= people.death[who]
        first = day(YEARS[1] + 1 - years)
        age = people.age(LAST)
        # Who was of the ages all along.
        of = _seen_whole(made, first) & (age >= ages[0] + years) & (age <= ages[1])
        of &= (people.sex == sex) | (sex == 0)
        asked += int(of.sum())
        screened += sum(of[who] and days[-1] >= first for who, days in found.items())
    assert asked > 200 and _near(screened, asked, published)


def test_influenza_vaccines_are_given_in_winter_and_to_the_old_most(blocks: list[Block]) -> None:
    known = drugs()
    vaccines = [i for i, atc in enumerate(known.atc) if atc.startswith("J07BB")]
    assert vaccines and known.boxes[vaccines].sum() == 0
    first, last = day(2020, 10, 1), day(2021, 1, 31)
    old = given = young = young_given = 0
    for made in blocks:
        lines, handed = made.lines.lines, made.lines.details["ER_PHA_F"]
        here = handed.line[np.isin(handed.columns["drug"], vaccines)]
        for moment in lines["care"][here].tolist():
            on = date(1970, 1, 1) + timedelta(moment)
            assert (on.month, on.day) >= (10, 15) or on.month == 1
        days = _days_of(made, np.isin(np.arange(len(lines["care"])), here))
        has = np.zeros(len(made.people), bool)
        has[[w for w, when in days.items() if any(first <= d <= last for d in when)]] = True
        there = _seen_whole(made, first)
        age = made.people.age(day(2021, 12, 31))
        old += int((there & (age >= 65)).sum())
        given += int((has & there & (age >= 65)).sum())
        young += int((there & (age >= 18) & (age < 65)).sum())
        young_given += int((has & there & (age >= 18) & (age < 65)).sum())
        assert not (has & (age < 18)).any()
    assert _near(given, old, 0.599)
    assert 0.05 < young_given / young < 0.2


def test_diabetes_is_followed_as_published(blocks: list[Block]) -> None:
    people = thrice = creatinine = 0
    for made in blocks:
        start = day(YEARS[1])
        there = _seen_whole(made, start)
        ill = {o.person for o in made.onsets if o.name == "FDiabet_ind" and o.start <= start}
        of = {who for who in ill if there[who]}

        people += len(of)
        hba1c, more = (_tested(made, codes, start) for codes in ((1577,), (592, 593)))
        thrice += sum(len(d) >= 3 for who, d in hba1c.items() if who in of)
        creatinine += sum(who in of for who in more)
    assert people > 100
    assert _near(thrice, people, 0.51) and _near(creatinine, people, 0.84)


def test_old_people_have_many_drugs_and_the_young_none_of_them(blocks: list[Block]) -> None:
    for made in blocks:
        exposed = made.lines.events["exposures"]
        count = np.bincount(exposed["person"], minlength=len(made.people))
        age = made.people.age(day(2020, 7, 1))
        alive = _seen_whole(made, day(2019))
        assert count[alive & (age >= 75)].mean() > 8 > 2 > count[alive & (age < 50)].mean()


def test_a_doctor_is_seen_more_often_after_a_stay_than_before_it(blocks: list[Block]) -> None:
    after = before = 0
    for made in blocks:
        seen = made.lines.events["visits"]
        gp = seen["specialty"] == 1
        visits: dict[int, list[int]] = {}
        for who, when in zip(seen["person"][gp].tolist(), seen["day"][gp].tolist(), strict=True):
            visits.setdefault(who, []).append(when)
        stays = made.stays
        home = (stays.leave == "8") & (stays.sessions == 0) & (stays.end > stays.start)
        home &= (stays.end > day(2019, 3, 1)) & (stays.end < day(2021, 11, 1))
        for who, end, start in zip(
            stays.person[home].tolist(), stays.end[home].tolist(), stays.start[home].tolist(),
            strict=True,
        ):  # fmt: skip
            days = visits.get(who, [])
            after += any(end < d <= end + 14 for d in days)
            before += any(start - 14 <= d < start for d in days)
    assert after > 1.3 * before


def test_care_that_follows_a_rule_leaves_the_rest_as_it_was(
    blocks: list[Block], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followup, "draw", lambda *_: None)
    bare, full = _block(0), blocks[0]
    for name in ("person", "start", "end", "hospital", "code"):
        assert np.array_equal(getattr(bare.stays, name), getattr(full.stays, name))
    assert np.array_equal(bare.people.death, full.people.death)
    for kind in ("ace", "visits", "exposures"):
        for name, values in bare.lines.events[kind].items():
            assert np.array_equal(values, full.lines.events[kind][name][: len(values)]), (
                kind,
                name,
            )
    for kind in ("visits", "exposures"):
        assert len(full.lines.events[kind]["person"]) > len(bare.lines.events[kind]["person"])
