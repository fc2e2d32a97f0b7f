"""The invented people are those of the published counts, and the model knows its own truth."""

from __future__ import annotations

import csv
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.synthetic import (
    appraisal,
    calibration,
    cohort,
    conditions,
    figures,
    pathologies,
    population,
    prevalence,
)
from openchronic_assets.synthetic.cohort import BLOCK, NO_SLOT
from openchronic_assets.synthetic.sampling import UNIT, advance, kronecker, systematic
from openchronic_assets.synthetic.text import NEVER, day
from openchronic_assets.synthetic.universe import build

FRANCE = prevalence.france().departments
BLOCKS = 20
YEARS = (2018, 2020)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[population.People, conditions.Conditions]]:
    """Forty thousand people of a universe of France, over three years, without their care."""
    world = build(3, 100_000, FRANCE)
    found = []
    for block in range(BLOCKS):
        rng = np.random.default_rng([3, block])
        people = population.draw(3, block, rng, world, YEARS)
        found.append((people, conditions.onset(rng, people, world, YEARS)))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 1000), st.floats(0, 0.9), st.floats(0.01, 0.1))
def test_any_run_of_points_fills_any_interval_evenly(
    first: int, seed: int, low: float, width: float
) -> None:
    points = kronecker(first, 2000, 3, seed)
    assert points.shape == (2000, 3) and points.min() >= 0 and points.max() < 1
    inside = ((points >= low) & (points < low + width)).sum(axis=0)
    assert np.abs(inside - 2000 * width).max() <= 12
    assert np.array_equal(kronecker(first + 5, 3, 3, seed), points[5:8])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_number_chosen_follows_the_sum_of_the_chances(seed: int, calls: int) -> None:
    luck = np.random.default_rng(seed)
    offset = luck.integers(0, 1 << UNIT, 4)
    start, due, seen = offset / 2**UNIT, np.zeros(4), np.zeros(4)
    for _ in range(calls):
        chance = luck.random((50, 4)) * np.array([0.001, 0.1, 0.5, 1.0])
        seen += systematic(luck, chance, offset).sum(axis=0)
        due += chance.sum(axis=0)
        offset = advance(chance, offset)
    assert np.abs(seen - (start + due - 0.5)).max() < 0.5 + 1e-6


def test_each_row_is_chosen_with_its_own_chance_and_pairs_are_nearly_independent() -> None:
    luck = np.random.default_rng(1)
    chance = np.column_stack([np.linspace(0.02, 0.9, 200), np.full(200, 0.3)])
    offset, times = np.zeros(2, np.int64), 4000
    hits, both = np.zeros((200, 2)), 0.0
    for _ in range(times):
        chosen = systematic(luck, chance, offset)
        offset = advance(chance, offset)
        hits += chosen
        both += (chosen[:, 0] & chosen[:, 1]).sum()
    error = np.sqrt(chance * (1 - chance) / times)
    assert (np.abs(hits / times - chance) < 4.5 * error).all()
    assert both / times == pytest.approx((chance[:, 0] * chance[:, 1]).sum(), rel=0.02)


def test_the_margins_of_the_model_are_the_published_counts() -> None:
    """Straight from the tables: people by department, and by sex and age, brought to residents."""
    residents = {r["department"]: float(r["residents"]) for r in figures.rows("departments.csv")}
    country, model = prevalence.france(), prevalence.model(FRANCE)
    rate = np.einsum("ksa,kd->kdsa", country.rate, country.factor) * model.people
    scale = sum(residents.values()) / prevalence.INSURED
    by_place = {
        (int(r["ald_num"]), r["department"]): float(r["persons"])
        for r in figures.rows("ald_by_department.csv")
    }
    for number in (1, 8, 18, 23, 30):
        whole = sum(count for (n, _), count in by_place.items() if n == number)
        for place, name in enumerate(FRANCE):
            due = by_place[(number, name)] * scale / sum(residents.values())
            assert rate[number - 1, place].sum() == pytest.approx(due, rel=0.003)
        assert rate[number - 1].sum() * prevalence.INSURED == pytest.approx(whole, rel=0.001)
    ages = {
        (int(r["sex"]), int(r["age_from"])): float(r["persons"])
        for r in figures.rows("ald_by_sex_age.csv")
        if r["ald_num"] == "8"
    }
    for (sex, age), count in ages.items():
        last = age + 5 if age < 95 else prevalence.AGES
        found = rate[7, :, sex - 1, age:last].sum() * prevalence.INSURED
        assert found == pytest.approx(count, rel=0.001)
    assert model.people.sum(axis=(1, 2)) == pytest.approx(
        [residents[name] / sum(residents.values()) for name in FRANCE]
    )


def test_the_classes_keep_the_rate_of_their_cell_and_make_illnesses_cluster() -> None:
    country, model = prevalence.france(), prevalence.model(FRANCE)
    alive = prevalence.CLASS_SHARES * (1 - model.death)
    alive /= alive.sum(axis=-1, keepdims=True)
    each = 1 / (1 + np.exp(-(model.level[..., None, :] + model.move)))
    mean = np.einsum("sac,dsack->dsak", alive, each)
    rate = np.einsum("ksa,kd->dsak", country.rate, country.factor)
    assert np.abs(mean / np.clip(rate, 1e-9, None) - 1).max() < 1e-6
    pair = np.einsum("sac,dsac->dsa", alive, each[..., 7] * each[..., 12])
    assert (pair > mean[..., 7] * mean[..., 12]).all()


def test_a_department_alone_has_as_many_people_as_each_other_one_named() -> None:
    assert prevalence.model(("23", "974")).people.sum(axis=(1, 2)) == pytest.approx([0.5, 0.5])


def test_a_block_is_the_same_whether_or_not_the_earlier_ones_were_drawn() -> None:
    arguments = (5, 10_000, ("35", "69"), (2019, 2019))
    stream = cohort._Stream(*arguments)
    alone = stream.draw(3)
    again = cohort._Stream(*arguments)
    for block in range(4):
        found = again.draw(block)
    for name in ("home", "sex", "age", "birth", "group", "dies", "ill", "twin", "former"):
        assert np.array_equal(getattr(alone, name), getattr(found, name)), name


def _tally(drawn: list[tuple[population.People, conditions.Conditions]]) -> appraisal.Tally:
    found = appraisal.Tally.empty(FRANCE)
    last = day(YEARS[0] + 1) - 1
    for people, ald in drawn:
        ill = np.zeros((BLOCK, 32), bool)
        for each in ald.episodes:
            if each.start <= last <= each.end:
                ill[each.person, each.number - 1] = True
        alive = (people.death > last) & (people.birth <= last)
        age = np.clip(people.cohort.age, 0, None)
        found.add(people.cohort.home, people.sex, figures.age_band(age), alive, ill)
    return found


def test_counts_of_a_small_sample_follow_the_published_ones(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    tally = _tally(drawn)
    department, age = tally.residuals()
    assert len(department.values) > 30 and len(age.values) > 80
    for residuals in (department, age):
        # A third of a standard error is left to forty thousand people.
        assert abs(residuals.mean) < 0.3 and residuals.spread <= appraisal.SPREAD_BAR
    seen, due = tally.totals().T
    # Independent draws would miss by 1 / root of the count: 2 % for diabetes, 9 % for epilepsy.
    assert (np.abs(seen - due) <= 0.02 * due + 3).all()
    assert 0.17 <= tally.any_ald / tally.alive.sum() <= 0.21


def test_rates_hold_year_after_year(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    shares = []
    for year in range(YEARS[0], YEARS[1] + 1):
        last = day(year + 1) - 1
        ill = alive = 0
        for people, ald in drawn:
            there = (people.death > last) & (people.birth <= last)
            alive += int(there.sum())
            ill += len(
                {e.person for e in ald.episodes if e.start <= last <= e.end and there[e.person]}
            )
        shares.append(ill / alive)
    assert max(shares) - min(shares) < 0.012, shares


def test_deaths_are_nine_to_ten_per_thousand_and_more_frequent_in_the_ill(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    for year in range(YEARS[0], YEARS[1] + 1):
        deaths = there = with_cancer = dead_with_cancer = 0
        for people, ald in drawn:
            here = (people.death >= day(year)) & (people.birth < day(year + 1))
            dies = here & (people.death < day(year + 1))
            there, deaths = there + int(here.sum()), deaths + int(dies.sum())
            cancer = {
                e.person for e in ald.episodes if e.number == 30 and e.start < day(year) <= e.end
            }
            with_cancer += sum(bool(here[p]) for p in cancer)
            dead_with_cancer += sum(bool(dies[p]) for p in cancer)
        assert 0.0080 < deaths / there < 0.0108
        assert dead_with_cancer / with_cancer > 3 * deaths / there
        if year == YEARS[0]:
            assert 0.009 < deaths / there < 0.010


def test_the_true_risk_is_the_frequency_of_onset(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    """Seen on 1 January: overall, in those at low and at high risk, and for single ALD."""
    for number, year in enumerate(range(YEARS[0], YEARS[1] + 1)):
        risk = np.stack([ald.risk[number] for _, ald in drawn])
        any_risk = np.stack([ald.risk_of_any[number] for _, ald in drawn])
        begins = np.zeros(risk.shape, bool)
        for block, (people, ald) in enumerate(drawn):
            for each in ald.episodes:
                born = people.birth[each.person] < day(year)
                if day(year) <= each.start < day(year + 1) and born:
                    begins[block, each.person, each.number - 1] = True
        assert not begins[risk == 0].any()
        for slot in (7, 22, 29):
            due = risk[..., slot].sum()
            assert abs(begins[..., slot].sum() - due) < 4 * np.sqrt(due)
        some = begins.any(axis=2)
        for low, high in ((0.0, 0.01), (0.01, 0.04), (0.04, 0.10), (0.10, 1.0)):
            here = (any_risk >= low) & (any_risk < high)
            due = any_risk[here].sum()
            assert abs(some[here].sum() - due) < 4 * np.sqrt(due) + 1, (year, low)
        assert (any_risk <= risk.sum(axis=2) + 1e-12).all()
        assert (any_risk >= risk.max(axis=2) - 1e-12).all()


def test_people_move_with_a_date_and_never_after_their_death(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    moves = 0
    for people, _ in drawn:
        gone = np.flatnonzero(people.moved < NEVER)
        moves += len(gone)
        assert (people.place[gone] != people.place_before[gone]).all()
        assert (people.moved[gone] < people.death[gone]).all()
        assert (people.moved[gone] > people.birth[gone]).all()
        before, after = people.place_on(people.moved - 1), people.place_on(people.moved)
        assert np.array_equal(before[gone], people.place_before[gone])
        assert np.array_equal(after[gone], people.place[gone])
        still = np.flatnonzero(people.moved == NEVER)
        assert np.array_equal(people.place[still], people.place_before[still])
        # On the first 31 December the living are where the cohort says.
        last = day(YEARS[0] + 1) - 1
        living = people.death > last
        assert np.array_equal(people.place_on(last)[living], people.cohort.home[living])
    assert 0.02 < moves / (BLOCKS * BLOCK) < 0.10


def test_deprivation_is_known_in_france_and_not_overseas(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    overseas = np.array([len(name) == 3 for name in FRANCE])
    for people, _ in drawn[:3]:
        assert (people.quintile[overseas[people.place]] == 0).all()
        assert set(people.quintile[~overseas[people.place]].tolist()) == {1, 2, 3, 4, 5}


def test_renewed_pseudonyms_are_new_are_unique_and_keep_twins_together(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    people = drawn[0][0]
    psa, ano = people.renewed(1)
    assert not set(psa) & set(people.psa) and not set(ano) & set(people.idt_ano)
    assert people.renewed(2)[0] != psa and people.renewed(1) == (psa, ano)
    assert len(set(ano)) == len(people)
    couples = set(zip(psa, people.rank.tolist(), strict=True))
    assert len(couples) == len(people)
    twins = np.flatnonzero(people.cohort.twin != NO_SLOT)
    assert len(twins)
    for each in twins.tolist():
        assert psa[each] == psa[int(people.cohort.twin[each])]
    for known, identifier in zip(people.nir_ano, ano, strict=True):
        assert len(identifier) == (18 if known is None else 17)


def test_severity_grows_and_never_beyond_three(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    episodes = [each for _, ald in drawn for each in ald.episodes]
    assert {each.severity for each in episodes} == {1, 2, 3}
    grown = [each for each in episodes if each.worse < NEVER]
    assert grown
    for each in grown:
        assert each.severity < 3 and each.start <= each.worse <= each.end


def test_each_public_table_says_where_it_comes_from() -> None:
    folder = resources.files(calibration)
    sources = json.loads(folder.joinpath("sources.json").read_text(encoding="utf-8"))
    for name, source in sources.items():
        assert source["source"] and source["licence"] and source["date"], name
        assert figures.rows(name), name
    readme = folder.joinpath("README.md").read_text(encoding="utf-8")
    tables = {each.name for each in folder.iterdir() if each.name.endswith(".csv")}
    assert all(f"`{name}`" in readme for name in tables)


def test_hospital_codes_and_drugs_are_ordered_counts() -> None:
    codes, drugs = calibration.hospital_codes(), calibration.drugs()
    assert codes.codes[:2] == ("Z491", "Z511")
    assert (np.diff(codes.count) <= 0).all() and codes.share.sum() == pytest.approx(1)
    assert sum(codes.tail.values()) < 0.005
    assert (np.diff(drugs.reimbursed) <= 0).all()
    assert all(len(code) == 13 for code in drugs.cip13)
    assert drugs.price.min() > 0 and set(drugs.rate.tolist()) <= {15, 30, 35, 65, 100}


@pytest.mark.conformance
def test_the_tables_are_rebuilt_from_the_published_files(
    conformance_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xlrd")
    from openchronic_assets.synthetic.calibration import build as script

    script.main(conformance_data, tmp_path)
    for name in script.SOURCES:
        shipped = resources.files(calibration).joinpath(name).read_text(encoding="utf-8")
        assert (tmp_path / name).read_text(encoding="utf-8") == shipped, name


@pytest.mark.conformance
def test_the_shipped_counts_are_the_published_ones(conformance_data: Path) -> None:
    with (conformance_data / "calibration/pmsi_icd10_counts.csv").open(encoding="utf-8") as handle:
        counts = {row["cim"]: int(row["count"]) for row in csv.DictReader(handle)}
    codes = calibration.hospital_codes()
    assert all(counts[c] == n for c, n in zip(codes.codes, codes.count.tolist(), strict=True))
    path = conformance_data / "calibration/open_medic_cip13_pareto.csv"
    with path.open(encoding="utf-8") as handle:
        paid = {row["cip13"]: float(row["remboursement_total"]) for row in csv.DictReader(handle)}
    drugs = calibration.drugs()
    for cip13, amount in zip(drugs.cip13, drugs.reimbursed.tolist(), strict=True):
        assert abs(paid[cip13] - amount) <= 0.5


@pytest.mark.slow
def test_a_million_people_are_those_of_the_published_counts() -> None:
    tally = appraisal.tally_of_draws(7, 1_000_000, FRANCE, 2019)
    for residuals in tally.residuals():
        assert residuals.holds, (residuals.margin, residuals.mean, residuals.spread)
    # ALD 4 has seven people in a million: a whole number of them cannot be within one percent.
    judged = tally.totals()[:, 1] >= 100
    seen, due = tally.totals()[judged].T
    assert judged.sum() == 31 and (np.abs(seen / due - 1) <= appraisal.TOTAL_BAR).all()
    assert 0.009 <= tally.deaths / tally.persons <= 0.010
    assert 0.17 <= tally.any_ald / tally.alive.sum() <= 0.21


def test_pathologies_are_as_frequent_as_published_and_begin_with_their_ald(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    known = {each.name: each for each in pathologies.pathologies()}
    last = day(YEARS[1] + 1) - 1
    with_it: dict[str, int] = dict.fromkeys(known, 0)
    alive = 0
    for people, ald in drawn[:20]:
        alive += int(((people.death > last) & (people.birth <= last)).sum())
        first: dict[tuple[int, int], int] = {}
        for episode in ald.episodes:
            key = (episode.person, episode.number)
            first[key] = min(first.get(key, NEVER), episode.start)
        seen = set()
        for onset in pathologies.draw(people, ald, 3, 100_000, YEARS):
            assert (onset.person, onset.name) not in seen
            seen.add((onset.person, onset.name))
            assert people.birth[onset.person] <= onset.start <= last
            starts = [first.get((onset.person, n), NEVER) for n in known[onset.name].alds]
            assert onset.ald == (min(starts, default=NEVER) < NEVER)
            if onset.ald:
                assert onset.start == min(starts)
            with_it[onset.name] += int(people.death[onset.person] > last)
    share = {name: count / alive for name, count in with_it.items()}
    # Indicators 3.3: diabetes 4.2 of 68.7 million people, chronic respiratory disease 3.6.
    assert 0.050 < share["FDiabet_ind"] < 0.068
    assert 0.045 < share["ABPCOIr_ind"] < 0.060
    assert 0.10 < share["FAntiHTA_med"] < 0.15
    assert 0 < share["RIRCT_ind"] < 0.012


def test_requests_are_granted_refused_and_sometimes_back_dated(
    drawn: list[tuple[population.People, conditions.Conditions]],
) -> None:
    people, ald = drawn[0]
    written = conditions.Conditions(
        episodes=[conditions.Episode(**vars(each)) for each in ald.episodes]
    )
    conditions.write(np.random.default_rng(1), people, written, day(2021, 12, 1))
    granted = [each for each in written.requests if each.granted]
    refused = [each for each in written.requests if not each.granted]
    assert len(granted) == len(written.episodes) and refused
    assert 0.01 < len(refused) / len(granted) < 0.12
    ill = {(each.person, each.number) for each in written.episodes}
    for each in refused:
        assert (each.person, each.number) not in ill
        assert people.birth[each.person] < each.requested < each.decided < people.death[each.person]
    assert len(written.planted["imb_back_dated"]) > 3
    first: dict[tuple[int, str | None], int] = {}
    for row in written.rows:
        key = (row.person, row.code)
        first[key] = min(first.get(key, NEVER), row.inserted)
    late = [
        first[(each.person, each.code)] - each.start
        for each in written.episodes
        if (each.person, each.code) in first and each.start >= day(2018)
    ]
    assert sum(wait > 89 for wait in late) >= 1 and sum(wait < 61 for wait in late) > 20
