"""The truth of one block: its rows for each table of ``truth.TABLES``, and its totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from openchronic_assets.synthetic import effects, truth
from openchronic_assets.synthetic.hospital import profiles
from openchronic_assets.synthetic.medicine import drugs
from openchronic_assets.synthetic.text import NEVER, Ints, day, pick, year_of
from openchronic_assets.synthetic.truth import Totals
from openchronic_assets.synthetic.universe import Universe

if TYPE_CHECKING:
    from openchronic_assets.synthetic.generate import Block

# Tables whose rows are events of their own, beside the line that they detail.
DETAILS = ("ER_PHA_F", "ER_BIO_F", "ER_CAM_F", "ER_UCD_F")


def of(
    made: Block, world: Universe, years: tuple[int, int], keep: int
) -> tuple[dict[str, pa.Table], Totals]:
    """Return the truth of the first ``keep`` persons of a block."""
    totals = Totals()
    totals.planted.update(made.odd)
    for what, persons in made.found.planted.items():
        totals.planted[what] += sum(person < keep for person in persons)
    rows = {
        "persons": _persons(made, world, keep, totals),
        "ald_episodes": _episodes(made, world, years, keep, totals),
        "stays": _stays(made, world, keep, totals),
        "amounts": _amounts(made, keep),
        "ald_onset_risk": _onset_risk(made, years, keep),
        "ald_requests": _requests(made, keep),
        "pathologies": _pathologies(made, keep),
        "moves": _moves(made, world, keep),
        "field_stays": _field_stays(made, world, keep),
        "visits": _visits(made, world, keep),
        "exposures": _exposures(made, keep),
        "dispensings": _dispensings(made, keep),
        "person_years": _person_years(made, world, years, keep),
    }
    if made.people.first == 0:
        rows["provider_effects"] = _effects(world)
    return rows, totals


def _persons(made: Block, world: Universe, keep: int, totals: Totals) -> pa.Table:
    people = made.people
    who = np.arange(keep)
    twice = people.switch[:keep] < NEVER
    place, commune = people.place[:keep].tolist(), people.commune[:keep].tolist()
    consumer = np.array(made.consumer[:keep], bool)
    fictitious = people.fictitious[:keep]
    totals.counts.update(
        persons=keep,
        couples=keep + int(twice.sum()),
        deaths=int((people.death[:keep] < NEVER).sum()),
        fictitious=int(fictitious.sum()),
        twins_rank_2=int((people.rank[:keep] == 2).sum()),
        never_consume=int((~consumer).sum()),
    )
    return truth.table(
        "persons",
        index=people.first + who,
        ben_nir_psa=people.psa[:keep],
        ben_rng_gem=people.rank[:keep],
        second_psa=[people.psa2[p] if twice[p] else None for p in range(keep)],
        second_from=people.switch[:keep],
        ben_idt_ano=people.idt_ano[:keep],
        ben_idt_top=[0 if each is None else 1 for each in people.nir_ano[:keep]],
        cdi_nir=people.cdi[:keep],
        fictitious=fictitious,
        sex=people.sex[:keep],
        birth_date=people.birth[:keep],
        department=[world.departments[p] for p in place],
        commune=[world.communes[p][c] for p, c in zip(place, commune, strict=True)],
        scheme=people.scheme[:keep],
        death_date=people.death[:keep],
        death_in_register=made.deaths.in_register[:keep],
        death_certified=made.deaths.certified[:keep],
        moved=people.moved[:keep],
        department_before=[
            world.departments[p] if m < NEVER else None
            for p, m in zip(people.place_before[:keep].tolist(), people.moved[:keep], strict=True)
        ],
        commune_before=[
            world.communes[p][c] if m < NEVER else None
            for p, c, m in zip(
                people.place_before[:keep].tolist(),
                people.commune_before[:keep].tolist(),
                people.moved[:keep],
                strict=True,
            )
        ],
        deprivation_quintile=people.quintile[:keep],
        consumer=consumer,
    )


def _person_years(made: Block, world: Universe, years: tuple[int, int], keep: int) -> pa.Table:
    people, lines = made.people, made.claims.lines
    care = year_of(lines["care"])
    labels = np.array([code for codes in world.communes for code in codes])
    starts = np.cumsum([0, *map(len, world.communes)])[:-1]
    parts = []
    for year in range(years[0], years[1] + 1):
        first, after = day(year), day(year + 1)
        birth, death = people.birth[:keep], people.death[:keep]
        who = np.flatnonzero((birth < after) & (death >= first))
        when = np.minimum(after - 1, death[who])
        before = when < people.moved[who]
        seen = np.zeros(len(people), bool)
        seen[lines["person"][care == year]] = True
        parts.append(
            {
                "who": who,
                "year": np.full(len(who), year),
                "place": people.place_on(when, who),
                "commune": np.where(before, people.commune_before[who], people.commune[who]),
                "quintile": np.where(before, people.quintile_before[who], people.quintile[who]),
                "doctor": people.gp_on(when, who),
                "days": when - np.maximum(first, birth[who]) + 1,
                "age": year - year_of(birth[who]),
                "consumer": seen[who],
            }
        )
    all_of = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((all_of["year"], all_of["who"]))
    all_of = {name: values[order] for name, values in all_of.items()}
    doctor = all_of["doctor"]
    return truth.table(
        "person_years",
        index=people.first + all_of["who"],
        year=all_of["year"],
        department=pick(world.departments, all_of["place"]),
        commune=pick(labels, starts[all_of["place"]] + all_of["commune"]),
        deprivation_quintile=all_of["quintile"],
        treating_doctor=pick(world.numbers, doctor, doctor == 0),
        days=all_of["days"],
        age=all_of["age"],
        consumer=all_of["consumer"],
    )


def _episodes(
    made: Block, world: Universe, years: tuple[int, int], keep: int, totals: Totals
) -> pa.Table:
    people = made.people
    known = sorted(
        (each for each in made.found.episodes if each.person < keep),
        key=lambda e: (e.person, e.start, e.number),
    )
    who = np.array([each.person for each in known], np.int64)
    start = np.array([each.start for each in known], np.int64)
    end = np.array([each.end for each in known], np.int64)
    number = np.array([each.number for each in known], np.int64)
    departments = [world.departments[p] for p in people.place[who].tolist()]
    sex = people.sex[who]
    counts = totals.counts
    counts["ald_episodes"] += len(known)
    real = ~people.fictitious
    counts["patients"] += len(np.unique(who[real[who]]))
    for year in range(years[0], years[1] + 1):
        first, after = day(year), day(year + 1)
        there = real & (people.birth < after) & (people.death >= first)
        counts[f"persons_in_{year}"] += int(there[:keep].sum())
        held = np.flatnonzero(
            real[who] & (people.death[who] >= first) & (start < after) & (end >= first)
        )
        counts[f"patients_in_{year}"] += len(np.unique(who[held]))
        cells = {
            (int(number[i]), departments[i], int(sex[i]), year, int(who[i])) for i in held.tolist()
        }
        totals.prevalence.update(cell[:4] for cell in cells)
    return truth.table(
        "ald_episodes",
        index=people.first + who,
        ben_idt_ano=[people.idt_ano[p] for p in who.tolist()],
        ald_num=number,
        cim10=[each.code for each in known],
        start_date=start,
        end_date=end,
        department=departments,
        sex=sex,
        severity=[each.severity for each in known],
        worse_date=np.array([each.worse for each in known], np.int64),
    )


def _stays(made: Block, world: Universe, keep: int, totals: Totals) -> pa.Table:
    people = made.people
    kept = np.flatnonzero(made.stays.person < keep)
    stays = made.stays.keep(kept)
    year = year_of(stays.end)
    totals.stays.update(year.tolist())
    names = [each.name for each in profiles()]
    return truth.table(
        "stays",
        index=people.first + stays.person,
        ben_idt_ano=[people.idt_ano[p] for p in stays.person.tolist()],
        profile=[names[k] for k in stays.profile.tolist()],
        entry_date=stays.start,
        exit_date=stays.end,
        hospital=[world.hospitals[h].finess for h in stays.hospital.tolist()],
        exit_mode=stays.leave.tolist(),
        sessions=stays.sessions,
        year=year,
        chained=~made.unchained[kept],
        cim10=stays.code.tolist(),
        urgent=stays.urgent,
        readmission_risk=np.where(stays.sessions > 0, 0.0, stays.risk),
    )


def _onset_risk(made: Block, years: tuple[int, int], keep: int) -> pa.Table:
    risk = made.found.risk[:, :keep]
    year, person, slot = np.nonzero(risk > 0.001)
    any_year, any_person = np.nonzero(made.found.risk_of_any[:, :keep] > 0)
    order = np.lexsort(
        (np.r_[slot + 1, np.zeros(len(any_year), np.int64)],
         np.r_[person, any_person], np.r_[year, any_year])
    )  # fmt: skip
    return truth.table(
        "ald_onset_risk",
        index=(made.people.first + np.r_[person, any_person])[order],
        year=(years[0] + np.r_[year, any_year])[order],
        ald_num=np.r_[slot + 1, np.zeros(len(any_year), np.int64)][order],
        risk=np.r_[risk[year, person, slot], made.found.risk_of_any[any_year, any_person]][order],
    )


def _requests(made: Block, keep: int) -> pa.Table:
    asked = sorted(
        (each for each in made.found.requests if each.person < keep),
        key=lambda r: (r.person, r.requested, r.number),
    )
    return truth.table(
        "ald_requests",
        index=[made.people.first + each.person for each in asked],
        ald_num=[each.number for each in asked],
        cim10=[each.code for each in asked],
        request_date=[each.requested for each in asked],
        decision_date=[each.decided for each in asked],
        granted=[each.granted for each in asked],
    )


def _pathologies(made: Block, keep: int) -> pa.Table:
    known = sorted(
        (each for each in made.onsets if each.person < keep),
        key=lambda o: (o.person, o.start, o.name),
    )
    return truth.table(
        "pathologies",
        index=[made.people.first + each.person for each in known],
        pathology=[each.name for each in known],
        start_date=[each.start for each in known],
        from_ald=[each.ald for each in known],
    )


def _moves(made: Block, world: Universe, keep: int) -> pa.Table:
    people = made.people
    who = np.flatnonzero(people.moved[:keep] < NEVER)
    return truth.table(
        "moves",
        index=people.first + who,
        move_date=people.moved[who],
        from_department=[world.departments[p] for p in people.place_before[who].tolist()],
        to_department=[world.departments[p] for p in people.place[who].tolist()],
    )


def _field_stays(made: Block, world: Universe, keep: int) -> pa.Table:
    parts = [(n, s.keep(np.flatnonzero(s.person < keep))) for n, s in sorted(made.fields.items())]
    finess = np.array([h.finess for h in world.hospitals])
    return truth.table(
        "field_stays",
        index=made.people.first + np.concatenate([s.person for _, s in parts]),
        ben_idt_ano=[made.people.idt_ano[p] for _, s in parts for p in s.person.tolist()],
        field=[name for name, s in parts for _ in range(len(s))],
        entry_date=np.concatenate([s.start for _, s in parts]),
        exit_date=np.concatenate([s.end for _, s in parts]),
        died=np.concatenate([s.died for _, s in parts]),
        year=year_of(np.concatenate([s.end for _, s in parts])),
        hospital=finess[np.concatenate([s.hospital for _, s in parts])].tolist(),
        cim10=np.concatenate([s.code for _, s in parts]).tolist(),
        from_acute=np.concatenate([s.from_acute for _, s in parts]),
    )


def _visits(made: Block, world: Universe, keep: int) -> pa.Table:
    seen, ace = made.lines.events["visits"], made.lines.events["ace"]
    finess = [h.finess for h in world.hospitals]
    who = np.r_[seen["person"], ace["person"]]
    when = np.r_[seen["day"], ace["day"]]
    kind = np.r_[np.where(seen["specialty"] == 1, 0, 1), 2 + ace["emergency"]]
    provider = np.r_[seen["practitioner"], len(world.numbers) + ace["hospital"]]
    specialty = np.r_[seen["specialty"], np.zeros(len(ace["day"]), np.int64)]
    order = np.lexsort((provider, kind, when, who))
    order = order[who[order] < keep]
    names = ("gp", "specialist", "hospital", "emergency")
    return truth.table(
        "visits",
        index=made.people.first + who[order],
        visit_date=when[order],
        kind=pick(names, kind[order]),
        provider=pick([*world.numbers, *finess], provider[order]),
        specialty=specialty[order],
    )


def _exposures(made: Block, keep: int) -> pa.Table:
    known, taken = drugs(), made.lines.events["exposures"]
    order = np.lexsort((taken["first"], taken["drug"], taken["person"]))
    order = order[taken["person"][order] < keep]
    return truth.table(
        "exposures",
        index=made.people.first + taken["person"][order],
        cip13=pick(known.cip13, taken["drug"][order]),
        atc=pick([each or None for each in known.atc], taken["drug"][order]),
        start_date=taken["first"][order],
        end_date=taken["last"][order],
        adherence=taken["taken"][order] / 100,
    )


def _dispensings(made: Block, keep: int) -> pa.Table:
    known, taken, lines = drugs(), made.lines.details["ER_PHA_F"], made.lines.lines
    who, care = lines["person"][taken.line], lines["care"][taken.line]
    kept = np.flatnonzero(who < keep)
    first = int(care.min()) if len(care) else 0
    # One number a person, day and presentation, in that order.
    key = (who * 100_000 + (care - first)) * len(known.cip13) + taken.columns["drug"]
    once, where = np.unique(key[kept], return_inverse=True)
    boxes = np.bincount(where, taken.columns["boxes"][kept], len(once)).astype(np.int64)
    drug, moment = once % len(known.cip13), once // len(known.cip13)
    return truth.table(
        "dispensings",
        index=made.people.first + moment // 100_000,
        dispensing_date=first + moment % 100_000,
        cip13=pick(known.cip13, drug),
        atc=pick([each or None for each in known.atc], drug),
        boxes=boxes,
        units=boxes * known.units[drug],
    )


def _effects(world: Universe) -> pa.Table:
    referral, biology, readmission = effects.of(world)
    doctors = np.flatnonzero(world.specialty == 1)
    numbers = [world.numbers[d] for d in doctors.tolist()]
    places = [world.departments[p] for p in world.homes[doctors].tolist()]
    return truth.table(
        "provider_effects",
        provider=[*numbers, *numbers, *(h.finess for h in world.hospitals)],
        department=[*places, *places, *(world.departments[h.department] for h in world.hospitals)],
        effect=["referral"] * len(numbers)
        + ["biology"] * len(numbers)
        + ["readmission"] * len(world.hospitals),
        value=np.r_[referral[doctors], biology[doctors], readmission],
    )


def _amounts(made: Block, keep: int) -> pa.Table:
    lines = made.lines.lines
    details: Ints = np.zeros(len(lines["person"]), np.int64)
    for name in DETAILS:
        if name in made.lines.details:
            details += np.bincount(made.lines.details[name].line, minlength=len(details))
    return truth.table(
        "amounts", **truth.cents_by_person_year(lines, details, keep, made.people.first)
    )
