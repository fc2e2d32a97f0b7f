"""The calibration report of an extract: what was generated beside what is published, as one page.

The page is in French, needs nothing from outside, and shows every figure with its bar: acceptance
bands, totals and cells of each ALD, curves by age, codes by rank.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from openchronic_assets import duck
from openchronic_assets.errors import UsageError
from openchronic_assets.synthetic import acceptance, calibration
from openchronic_assets.synthetic.acceptance import Band, source, truth_of
from openchronic_assets.synthetic.appraisal import (
    LISTED,
    MEAN_BAR,
    SPREAD_BAR,
    TOTAL_BAR,
    Residuals,
    Tally,
)
from openchronic_assets.synthetic.figures import AGE_BANDS
from openchronic_assets.synthetic.prevalence import model

Floats = npt.NDArray[np.float64]

TOP = 100
CURVES = (1, 5, 8, 13, 14, 15, 22, 23, 30)  # the ALD whose curves by age are drawn
CODE_BAR, DRUG_BAR = 0.95, 0.90
ENOUGH = 900_000  # people below which the bars of counts are only told
LABELS = {
    1: "AVC invalidant", 2: "Insuffisances médullaires", 3: "Artériopathies", 4: "Bilharziose",
    5: "Insuffisance cardiaque", 6: "Maladies du foie", 7: "VIH, déficit immunitaire",
    8: "Diabète", 9: "Affections neurologiques", 10: "Hémoglobinopathies", 11: "Hémophilies",
    12: "Hypertension sévère", 13: "Maladie coronaire", 14: "Insuffisance respiratoire",
    15: "Alzheimer et démences", 16: "Parkinson", 17: "Maladies métaboliques",
    18: "Mucoviscidose", 19: "Néphropathies", 20: "Paraplégie", 21: "Vascularites, lupus",
    22: "Polyarthrite rhumatoïde", 23: "Affections psychiatriques", 24: "Crohn, RCH",
    25: "Sclérose en plaques", 26: "Scoliose", 27: "Spondylarthrite", 28: "Transplantation",
    29: "Tuberculose, lèpre", 30: "Tumeurs malignes", 31: "Hors liste", 32: "Polypathologie",
}  # fmt: skip


@dataclass(frozen=True)
class Ranks:
    """Published and generated numbers of the most frequent codes, and their rank correlation."""

    label: str
    codes: tuple[str, ...]
    published: Floats
    generated: Floats
    bar: float

    @property
    def correlation(self) -> float:
        """Spearman's rank correlation."""
        return spearman(self.published, self.generated)

    @property
    def holds(self) -> bool:
        """Whether the correlation reaches its bar."""
        return self.correlation >= self.bar


@dataclass(frozen=True)
class Appraisal:
    """All that the report shows of one extract."""

    generator: dict[str, object]
    bands: list[Band]
    tally: Tally
    residuals: tuple[Residuals, Residuals]
    ranks: list[Ranks]

    @property
    def summary(self) -> dict[str, object]:
        """Return the figures for ``--json``."""
        seen, due = self.tally.totals().T
        return {
            "generator": self.generator,
            "bands": {
                b.name: {"value": b.value, "low": b.low, "high": b.high, "holds": b.holds}
                for b in self.bands
            },
            "residuals": {
                r.margin: {
                    "cells": len(r.values), "mean": r.mean, "spread": r.spread, "holds": r.holds,
                }
                for r in self.residuals
            },
            "ald": [
                {"ald_num": number + 1, "persons": int(seen[number]),
                 "expected": float(due[number]), "holds": bool(holds)}
                for number, holds in enumerate(self.tally.total_holds().tolist())
            ],
            "ranks": {
                r.label: {"correlation": r.correlation, "bar": r.bar, "holds": r.holds}
                for r in self.ranks
            },
        }  # fmt: skip


def spearman(first: Floats, second: Floats) -> float:
    """Return the rank correlation of two series; equal values share the mean of their ranks."""

    def rank(values: Floats) -> Floats:
        _, where, count = np.unique(values, return_inverse=True, return_counts=True)
        middle: Floats = (np.cumsum(count) - (count + 1) / 2)[where]
        return middle

    a, b = rank(first), rank(second)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def appraise(folder: Path) -> Appraisal:
    """Measure an extract against the published figures.

    Raises:
        UsageError: there is no truth beside the extract.
    """
    truth = truth_of(folder)
    generator = json.loads((truth / "truth.json").read_text(encoding="utf-8"))["generator"]
    with duck.connect() as base:
        tally = _tally(base, truth, tuple(generator["departments"]), generator["years"][0])
        ranks = [found for found in (_codes(base, folder), _drugs(base, folder)) if found]
    return Appraisal(generator, acceptance.measure(folder), tally, tally.residuals(), ranks)


def _tally(
    base: duckdb.DuckDBPyConnection, truth: Path, departments: tuple[str, ...], year: int
) -> Tally:
    found = Tally.empty(departments)
    people = f"""
        select
            index, department, sex,
            least((({year} - year(birth_date)) // 5), {AGE_BANDS - 1}) as band
        from read_parquet('{truth / "persons.parquet"}')
        where birth_date <= date '{year}-12-31'
            and (death_date is null or death_date > date '{year}-12-31')
    """
    ill = f"""
        select distinct index, ald_num
        from read_parquet('{truth / "ald_episodes.parquet"}')
        where start_date <= date '{year}-12-31'
            and (end_date is null or end_date >= date '{year}-12-31')
    """
    place = {name: each for each, name in enumerate(departments)}
    for department, sex, band, count in base.execute(
        f"select department, sex, band, count(*) from ({people}) group by all"
    ).fetchall():
        found.alive[place[department], sex - 1, band] = count
    for number, department, sex, band, count in base.execute(
        f"""
        select ald_num, department, sex, band, count(*)
        from ({people}) inner join ({ill}) using (index) group by all
        """
    ).fetchall():
        found.ill[number - 1, place[department], sex - 1, band] = count
    row = base.execute(
        f"select count(distinct index) from ({people}) inner join ({ill}) using (index)"
    ).fetchone()
    found.any_ald = int(row[0]) if row else 0
    return found


def _counts(base: duckdb.DuckDBPyConnection, sql: str, codes: Sequence[str]) -> Floats:
    known = {code: float(count or 0) for code, count in base.execute(sql).fetchall()}
    found: Floats = np.array([known.get(code, 0.0) for code in codes], np.float64)
    return found


def _codes(base: duckdb.DuckDBPyConnection, folder: Path) -> Ranks | None:
    years = sorted({path.name[5:7] for path in folder.glob("T_MCO[0-9][0-9]B.*")})
    stays = source(folder, *(f"T_MCO{year}B." for year in years))
    others = source(folder, *(f"T_MCO{year}D." for year in years))
    if stays is None:
        return None
    published = calibration.hospital_codes()
    codes = published.codes[:TOP]
    known = published.count[:TOP].astype(np.float64)
    related = f"union all select ASS_DGN, 1 from {others}" if others else ""
    sql = f"""
        select replace(trim(code), '.', '') as code, sum(times)
        from (
            select DGN_PAL as code, greatest(coalesce(try_cast(NBR_SEA as int), 1), 1) as times
            from {stays} {related}
        )
        group by all
    """
    generated = _counts(base, sql, codes)
    return Ranks("Codes CIM-10 hospitaliers", codes, known, generated, CODE_BAR)


def _drugs(base: duckdb.DuckDBPyConnection, folder: Path) -> Ranks | None:
    boxes = source(folder, "ER_PHA_F")
    if boxes is None:
        return None
    published = calibration.drugs()
    top = np.argsort(-published.boxes, kind="stable")[:TOP]
    codes = tuple(published.cip13[each] for each in top)
    known = published.boxes[top].astype(np.float64)
    sql = f"""
        select split_part(trim(PHA_PRS_C13), '.', 1), sum(try_cast(PHA_ACT_QSN as double))
        from {boxes} group by all
    """
    generated = _counts(base, sql, codes)
    return Ranks("Présentations délivrées (CIP13)", codes, known, generated,
                 DRUG_BAR)  # fmt: skip


# --- The page ---------------------------------------------------------------------------------

INK, PUBLISHED, GENERATED, GOOD, BAD = "#1b1b1b", "#8a94a6", "#1f5fbf", "#18753c", "#b34000"

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1b;max-width:72rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}
p.lead{color:#555;margin:.2rem 0 1rem}table{border-collapse:collapse;width:100%}
th,td{padding:.3rem .6rem;border-bottom:1px solid #e3e6eb;text-align:left;vertical-align:middle}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.yes{color:#18753c;font-weight:600}.no{color:#b34000;font-weight:600}.none{color:#777}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}
svg{width:100%;height:auto}figure{margin:0}figcaption{font-size:.85rem;color:#555}
text{font:11px system-ui,sans-serif;fill:#555}
@media(prefers-color-scheme:dark){body{background:#16181d;color:#e8e8e8}text{fill:#aaa}
th,td{border-color:#333}p.lead,figcaption{color:#aaa}}
"""


def number(value: float, digits: int = 2) -> str:
    """Return a number as French readers write it."""
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace(".", ",")


def _verdict(holds: bool | None, unknown: str = "non mesuré") -> str:
    if holds is None:
        return f'<span class="none">{unknown}</span>'
    return '<span class="yes">conforme</span>' if holds else '<span class="no">hors bornes</span>'


def per_mille(counts: Floats) -> Floats:
    """Return counts in thousandths of their sum."""
    share: Floats = 1000 * counts / max(float(counts.sum()), 1.0)
    return share


def _svg(width: int, height: int, parts: Iterable[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def _gauge(band: Band) -> str:
    """Draw the band as a bar and the value as a mark."""
    if band.value is None:
        return ""
    low, high = min(band.low, band.value), max(band.high, band.value)
    margin = (high - low) * 0.25 or 1.0
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return 200 * (value - low) / (high - low)

    colour = GOOD if band.holds else BAD
    return _svg(200, 18, (
        f'<rect x="0" y="8" width="200" height="2" fill="{PUBLISHED}" opacity=".4"/>',
        f'<rect x="{x(band.low):.1f}" y="4" width="{x(band.high) - x(band.low):.1f}" height="10"'
        f' fill="{GOOD}" opacity=".25"/>',
        f'<rect x="{x(band.value) - 2:.1f}" y="1" width="4" height="16" fill="{colour}"/>',
    ), f"{band.label} : {number(band.value)}, bornes {band.low} à {band.high}")  # fmt: skip


def _scatter(published: Floats, generated: Floats, label: str, names: Sequence[str]) -> str:
    """Draw generated against published numbers on logarithmic scales, with the diagonal."""
    both = np.concatenate([published, generated])
    both = both[both > 0]
    if not len(both):
        return ""
    low, high = np.log10(both.min()), np.log10(both.max())
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return float((np.log10(max(value, 10**low)) - low) / span)

    marks = [
        f'<line x1="58" y1="250" x2="340" y2="10" stroke="{PUBLISHED}" stroke-dasharray="4 3"/>',
        f'<line x1="58" y1="250" x2="340" y2="250" stroke="{PUBLISHED}"/>',
        f'<line x1="58" y1="250" x2="58" y2="10" stroke="{PUBLISHED}"/>',
        '<text x="190" y="275" text-anchor="middle">publié</text>',
        '<text x="10" y="130" text-anchor="middle" transform="rotate(-90 10 130)">généré</text>',
    ]
    for power in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        share = (power - low) / span
        text = number(10.0**power, max(0, -power))
        marks += [
            f'<text x="{58 + 282 * share:.0f}" y="263" text-anchor="middle">{text}</text>',
            f'<text x="54" y="{254 - 240 * share:.0f}" text-anchor="end">{text}</text>',
        ]
    marks += [
        f'<circle cx="{58 + 282 * at(p):.1f}" cy="{250 - 240 * at(g):.1f}" r="3"'
        f' fill="{GENERATED}" opacity=".6"><title>{escape(name)} : {number(g, 1)} généré,'
        f" {number(p, 1)} publié</title></circle>"
        for p, g, name in zip(published.tolist(), generated.tolist(), names, strict=True)
    ]
    return _svg(360, 280, marks, label)


def _histogram(residuals: Residuals) -> str:
    """Draw the residuals with the normal curve of mean 0 and deviation 1."""
    edges = np.linspace(-4, 4, 33)
    count, _ = np.histogram(np.clip(residuals.values, -4, 4), edges)
    middle = (edges[:-1] + edges[1:]) / 2
    normal = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi) * (edges[1] - edges[0])
    normal = normal * max(len(residuals.values), 1)
    top = max(count.max(), normal.max(), 1.0)
    bars = [
        f'<rect x="{20 + 10 * i}" y="{160 - 140 * c / top:.1f}" width="9"'
        f' height="{140 * c / top:.1f}" fill="{GENERATED}" opacity=".7"/>'
        for i, c in enumerate(count.tolist())
    ]
    line = " ".join(
        f"{24.5 + 10 * i:.1f},{160 - 140 * v / top:.1f}" for i, v in enumerate(normal.tolist())
    )
    bars.append(f'<polyline points="{line}" fill="none" stroke="{BAD}" stroke-width="1.5"/>')
    bars += [
        f'<text x="{20 + 40 * (value + 4)}" y="175" text-anchor="middle">{value}</text>'
        for value in range(-4, 5)
    ]
    return _svg(360, 180, bars, f"Résidus par {residuals.margin}")


def _curve(tally: Tally, expected: Floats, ald: int) -> str:
    """Draw the share of people with an ALD by age, generated as dots on the published line."""
    alive = tally.alive.sum(axis=0)
    seen = tally.ill[ald - 1].sum(axis=0)
    due = expected[ald - 1].sum(axis=0)
    share = np.divide(seen, alive, out=np.zeros(seen.shape), where=alive > 0)
    edges = np.arange(0, 5 * AGE_BANDS, 5)
    people = np.add.reduceat(model(tally.departments).people.sum(axis=0), edges, axis=-1)
    line = due / (people * max(int(tally.alive.sum()), 1))
    top = max(float(line.max()), float(share.max()), 1e-9)
    marks = [f'<line x1="40" y1="150" x2="340" y2="150" stroke="{PUBLISHED}"/>']
    for sex, colour in ((0, GENERATED), (1, BAD)):
        points = " ".join(
            f"{40 + 15 * band + 7:.0f},{150 - 130 * line[sex, band] / top:.1f}"
            for band in range(AGE_BANDS)
        )
        marks.append(f'<polyline points="{points}" fill="none" stroke="{colour}" opacity=".5"/>')
        marks += [
            f'<circle cx="{40 + 15 * band + 7}" cy="{150 - 130 * share[sex, band] / top:.1f}" r="3"'
            f' fill="{colour}"/>'
            for band in range(AGE_BANDS)
        ]
    marks += [
        f'<text x="{40 + 15 * band + 7}" y="165" text-anchor="middle">{5 * band}</text>'
        for band in range(0, AGE_BANDS, 4)
    ]
    marks.append(f'<text x="4" y="12">{number(100 * top, 1)} %</text>')
    return _svg(360, 170, marks, f"ALD {ald} par âge")


def _cell_verdict(tally: Tally, holds: bool) -> str:
    """Return the verdict on counts, whose bars are meant for about a million people."""
    return _verdict(holds if tally.alive.sum() >= ENOUGH else None, "indicatif")


def _pairs(tally: Tally) -> str:
    """Return one row an ALD: people generated and expected, difference, verdict."""
    seen, due = tally.totals().T
    rows = [
        f'<tr><td class="n">{i + 1}</td><td>{escape(LABELS.get(i + 1, ""))}</td>'
        f'<td class="n">{number(seen[i], 0)}</td><td class="n">{number(due[i], 1)}</td>'
        f'<td class="n">{number(100 * (seen[i] / due[i] - 1)) if due[i] else ""} %</td>'
        f"<td>{_cell_verdict(tally, bool(holds))}</td></tr>"
        for i, holds in enumerate(tally.total_holds().tolist())
    ]
    return "".join(rows)


def page(found: Appraisal) -> str:
    """Return the report of an extract as one HTML page in French."""
    made = found.generator
    span = "-".join(str(year) for year in made["years"])  # type: ignore[attr-defined]
    expected = found.tally.expected()
    enough = found.tally.alive.sum() >= ENOUGH
    note = "" if enough else " Les bornes valent pour un million de personnes."
    bands = "".join(
        f"<tr><td>{escape(b.label)}</td>"
        f'<td class="n">{number(b.value) if b.value is not None else "–"} {escape(b.unit)}</td>'
        f'<td class="n">{number(b.low)} à {number(b.high)}</td><td>{_gauge(b)}</td>'
        f"<td>{_verdict(None if b.value is None else b.holds)}</td><td>{escape(b.source)}</td></tr>"
        for b in found.bands
    )
    names = {"department": "département", "sex and age": "sexe et âge quinquennal"}
    residuals = "".join(
        f"<figure>{_histogram(r)}<figcaption>ALD 1 à 30 par {names[r.margin]} :"
        f" {len(r.values)} cellules, moyenne {number(r.mean, 3)} (borne ±{number(MEAN_BAR, 1)}),"
        f" écart-type {number(r.spread, 3)} (borne {number(SPREAD_BAR)}) —"
        f" {_cell_verdict(found.tally, r.holds)}</figcaption></figure>"
        for r in found.residuals
    )
    curves = "".join(
        f"<figure>{_curve(found.tally, expected, ald)}<figcaption>ALD {ald}, {escape(label)} :"
        " hommes en bleu, femmes en orange ; trait publié, points générés</figcaption></figure>"
        for ald, label in ((each, LABELS[each]) for each in CURVES)
    )
    seen, due = (found.tally.ill[:LISTED].sum(axis=(2, 3)), expected[:LISTED].sum(axis=(2, 3)))
    judged = due >= 1
    where = [
        f"ALD {k + 1}, département {found.tally.departments[d]}" for k, d in np.argwhere(judged)
    ]
    ranks = "".join(
        f"<figure>{_scatter(per_mille(r.published), per_mille(r.generated), r.label, r.codes)}"
        f"<figcaption>{escape(r.label)}, les {len(r.codes)} plus fréquents, en ‰ d'entre eux :"
        " corrélation des rangs"
        f" {number(r.correlation, 3)} (borne {number(r.bar)}) — {_verdict(r.holds)}"
        "</figcaption></figure>"
        for r in found.ranks
    )
    return f"""<!doctype html>
<html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Calage de la population synthétique</title><style>{STYLE}</style></head><body>
<h1>Calage de la population synthétique</h1>
<p class="lead">{number(float(str(made["persons"])), 0)} personnes inventées, années {escape(span)},
{len(found.tally.departments)} départements, graine {escape(str(made["seed"]))} ; ce qui est généré
à côté de ce qui est publié.</p>
<h2>Bandes d'acceptation</h2>
<table><tr><th>Figure</th><th class="n">Généré</th><th class="n">Bornes</th><th></th>
<th>Verdict</th><th>Publié</th></tr>{bands}</table>
<h2>Personnes en ALD par cellule</h2>
<p class="lead">Résidu standardisé (observé − attendu) / √attendu des cellules d'au moins vingt
personnes attendues, au 31 décembre ; en trait, la loi normale centrée réduite.{note}</p>
<div class="grid">{residuals}</div>
<div class="grid"><figure>{_scatter(due[judged], seen[judged] * 1.0, "ALD par département", where)}
<figcaption>Une cellule par ALD et département</figcaption></figure>{ranks}</div>
<h2>Prévalence par âge</h2><div class="grid">{curves}</div>
<h2>Effectif de chaque ALD</h2>
<p class="lead">Conforme : à moins de {number(100 * TOTAL_BAR, 0)} % de l'attendu, ou d'une
personne.{note}</p><table><tr><th class="n">ALD</th><th></th>
<th class="n">Généré</th><th class="n">Attendu</th>
<th class="n">Écart</th><th>Verdict</th></tr>{_pairs(found.tally)}</table>
<p class="lead">Effectifs attendus : CNAM, personnes en ALD 2016 (Licence Ouverte 2.0), ramenés
des 57 millions d'assurés du régime général aux personnes générées. ALD 31 et 32 : par sexe et âge
seuls.</p></body></html>
"""


def write(found: Appraisal, target: Path) -> None:
    """Write the page, complete or not at all.

    Raises:
        UsageError: the folder of ``target`` does not exist.
    """
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is not a folder; make it first or name another --out")
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(page(found), encoding="utf-8")
    partial.replace(target)
