"""Who has which pathology, person by person: a second implementation, written from the prose.

It reads the rules as the public documents tell them (sources, windows, codes) and knows nothing of
the declarative files nor of SQL: one person at a time, one function a disease, lists in memory.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field


@dataclass
class Ald:
    """A long-term condition: its code (None: not said), its number, from when to when."""

    code: str | None
    number: int
    start: dt.date
    end: dt.date | None = None


@dataclass
class Stay:
    """An acute stay, or a session of one."""

    end: dt.date
    main: str
    units: tuple[str, ...] = ()
    related: str | None = None
    others: tuple[str, ...] = ()
    group: str = "05M091"
    sessions: int = 0


@dataclass
class Psychiatry:
    """A stay in psychiatry."""

    end: dt.date
    main: str
    others: tuple[str, ...] = ()


@dataclass
class Drug:
    """A dispensing."""

    day: dt.date
    atc: str
    large: bool = False


@dataclass
class Act:
    """A procedure."""

    day: dt.date
    code: str


@dataclass
class Person:
    """All that is known of somebody."""

    sex: str = "1"
    alds: list[Ald] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    psychiatry: list[Psychiatry] = field(default_factory=list)
    drugs: list[Drug] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)


def codes(text: str) -> tuple[str, ...]:
    """Read ``I20-I25 G81`` as prefixes."""
    found: list[str] = []
    for each in text.split():
        first, _, last = each.partition("-")
        if last:
            found += [f"{first[0]}{n:02}" for n in range(int(first[1:]), int(last[1:]) + 1)]
        else:
            found.append(each)
    return tuple(found)


MI = codes("I21 I22 I23 I24")
CORONARY = codes("I20-I25")
STROKE = codes("I60 I61 I62 I63 I64")
STROKE_ALD = codes("I60-I69 G81")
STROKE_AFTER = codes("I60-I64 I67-I69 G46 G81")
HF = codes("I50")
HF_FIRST = codes("I110 I130 I132 I139 K761 J81")
HF_ALD = codes("I50 I11 I13")
LEGS_ALD = codes("I702 I73")
LEGS = codes("I702 I739 I740 I743 I744 I745")
RHYTHM = codes("I44 I45 I47 I48 I49")
VALVE = codes("I05-I08 I34-I39")
EMBOLISM = codes("I26")
HEART_OTHER = codes("I10 I15 I27 I42 I51 I70 I71 I72 I77 Q20-Q28")
DIABETES = codes("E10-E14")
DIABETES_COMPLICATION = codes("G590 G632 G730 G990 H280 H360 I792 L97 M142 M146 N083")
SITES = {
    "SeiF": codes("C50 D05"),
    "Colo": codes("C18 C19 C20 D010 D011 D012"),
    "Poum": codes("C33 C34 D021 D022"),
    "Pros": codes("C61 D075"),
}
ANY_CANCER = codes("C00-C97 D00-D07 D09")
PSYCHIATRIC = {
    "top_Psychos_ind": codes("F20-F29"),
    "top_PDepNev_ind": codes("F30-F48"),
    "sup_PTrBipo_ind": codes("F30 F31"),
    "sup_PTrDHum_ind": codes("F32-F39"),
    "sup_PTrNevr_ind": codes("F40-F48"),
    "top_PRetard_ind": codes("F70-F79"),
    "top_PAddict_ind": codes("F10-F19"),
    "sup_PAddAlc_ind": codes("F10"),
    "sup_PAddCan_ind": codes("F12"),
    "sup_PAddTab_ind": codes("F17"),
    "sup_PAddAut_ind": codes("F11 F13-F16 F18 F19"),
    "top_PTrEnfa_ind": codes("F80-F98"),
    "top_PsyAutr_ind": codes("F04-F09 F50-F69 F99"),
}
DEMENTIA = codes("F00 F01 F02 F03 G30 F051")
NEUROLOGICAL_OTHER = codes(
    "A80 A810 B91 G10-G12 G130 G23 G310 G311 G312 G319 G37 G600 G602 G603 G608 G609 G61 G62 G80 "
    "G95 Q05-Q07 Q850"
)
# ALD in n, stays of n-4 to n (main diagnosis of a unit, related), associated diagnosis in n.
FIVE_YEARS = {
    "top_CvAOMI_ind": (LEGS_ALD, LEGS),
    "top_CvTrRyC_ind": (RHYTHM, RHYTHM),
    "top_CvValve_ind": (VALVE, VALVE),
    "top_NSePlaq_ind": (codes("G35"),) * 2,
    "top_NEpilep_ind": (codes("G40 G41"),) * 2,
    "top_NParapl_ind": (codes("G820 G821 G822 G823 G824 G825"),) * 2,
    "top_NMyoMya_ind": (codes("G70-G73"),) * 2,
    "top_NAutres_ind": (NEUROLOGICAL_OTHER,) * 2,
    "top_IRCrRCH_ind": (codes("K50 K51"),) * 2,
    "top_IRSponA_ind": (codes("M45 M461 M468 M469 M070 M071 M072 M073 M081"),) * 2,
    "top_IRautre_ind": (codes("M30-M35"),) * 2,
    "top_IRMuco_ind": (codes("E84"),) * 2,
    "top_IRMMHer_ind": (codes("E70-E80 E83 E85 E88"),) * 2,
    "sup_NDemAlz_ind": (codes("F00 G30"),) * 2,
}
RHEUMATOID = codes("M05 M06 M08 M120 M123")
BLOOD = codes("D66 D67 D68 D691 D694 D695 D696")
HIV = codes("B20-B24 F024 Z21")
LIVER = codes("B18 I85 K70-K76")
PANCREAS = codes("K85 K86")
LIVER_PANCREAS = codes("B18 I85 K70-K76 K85 K86 Q44")
LUNG = codes("J40-J47 J961")
PARKINSON = codes("G20 F023")

CV = [
    "top_CvIDM_aig", "top_CvCoron_chr", "top_CvAVC_aig", "top_CvAVC_seq", "top_CvIC_aig",
    "top_CvIC_chr", "top_CvAOMI_ind",
]  # fmt: skip


def has(code: str | None, prefixes: tuple[str, ...], but: tuple[str, ...] = ()) -> bool:
    return bool(code) and code.startswith(prefixes) and not (but and code.startswith(but))


class Year:
    """A person seen from year n."""

    def __init__(self, person: Person, n: int, i200: bool = False, a10bk: bool = False) -> None:
        self.p, self.n, self.i200, self.a10bk = person, n, i200, a10bk

    def alds(self) -> list[Ald]:
        first, last = dt.date(self.n, 1, 1), dt.date(self.n, 12, 31)
        return [a for a in self.p.alds if a.start <= last and (a.end is None or a.end >= first)]

    def ald(self, prefixes: tuple[str, ...], but: tuple[str, ...] = ()) -> bool:
        return any(has(a.code, prefixes, but) for a in self.alds())

    def stays(self, back: int) -> list[Stay]:
        return [s for s in self.p.stays if self.n - back <= s.end.year <= self.n]

    def main(self, back: int, prefixes: tuple[str, ...], but: tuple[str, ...] = ()) -> bool:
        """A main diagnosis of a unit."""
        return any(has(c, prefixes, but) for s in self.stays(back) for c in (s.main, *s.units))

    def main_or_related(
        self, back: int, prefixes: tuple[str, ...], but: tuple[str, ...] = ()
    ) -> bool:
        return self.main(back, prefixes, but) or any(
            has(s.related, prefixes, but) for s in self.stays(back)
        )

    def associated(self, back: int, prefixes: tuple[str, ...], but: tuple[str, ...] = ()) -> bool:
        return any(has(c, prefixes, but) for s in self.stays(back) for c in s.others)

    def rx(
        self, year: int, prefixes: tuple[str, ...], but: tuple[str, ...] = (), dates: int = 3,
        large: bool = False,
    ) -> bool:  # fmt: skip
        """At least so many different dates; two where one pack is large, if that counts."""
        found = [d for d in self.p.drugs if d.day.year == year and has(d.atc, prefixes, but)]
        days = len({d.day for d in found})
        return days >= dates or (large and days >= 2 and any(d.large for d in found))

    def five_years(
        self, ald: tuple[str, ...], stay: tuple[str, ...], but: tuple[str, ...] = ()
    ) -> bool:
        return (
            self.ald(ald, but)
            or self.main_or_related(4, stay, but)
            or self.associated(0, stay, but)
        )

    def heart_failure_stay(self, back: int) -> bool:
        return self.main(back, HF) or any(
            any(has(c, HF_FIRST) for c in (s.main, *s.units))
            and any(has(c, HF) for c in (*s.others, s.related))
            for s in self.stays(back)
        )

    def diabetes(self) -> bool:
        for year in (self.n, self.n - 1):
            treated = self.rx(year, codes("A10A A10B"), codes("A10BX06"), large=True)
            only_gliflozins = not self.rx(year, codes("A10A A10B"), codes("A10BX06 A10BK"), dates=1)
            if treated and (self.a10bk or not only_gliflozins):
                return True
        complicated = any(
            any(has(c, DIABETES_COMPLICATION) for c in (s.main, *s.units, s.related))
            and any(has(c, DIABETES) for c in (*s.others, s.main, *s.units, s.related))
            for s in self.stays(1)
        )
        return self.ald(DIABETES) or self.main_or_related(1, DIABETES) or complicated

    def cancer(self, site: tuple[str, ...], but: tuple[str, ...]) -> str | None:
        """Active, surveillance, or neither."""
        recent = any(
            has(a.code, site, but) and self.n - 1 <= a.start.year <= self.n for a in self.alds()
        )
        older = any(has(a.code, site, but) and a.start.year < self.n - 1 for a in self.alds())
        treated = self.main_or_related(1, codes("Z510 Z511"))
        in_stay = any(
            any(has(c, site, but) for c in (s.main, *s.units, s.related))
            and (treated or not any(has(c, codes("Z08")) for c in (s.main, *s.units, s.related)))
            for s in self.stays(1)
        )
        watched = older or self.main_or_related(4, site, but) or self.associated(1, site, but)
        spread = (
            self.main_or_related(1, codes("C77 C78 C79"))
            or self.associated(1, codes("C77 C78 C79"))
            or any(
                self.rx(year, codes("L01E L01F L01XC L01XE"), dates=1)
                for year in (self.n, self.n - 1)
            )
        )
        if recent or in_stay or (watched and spread):
            return "act"
        return "sur" if watched else None

    def sessions(self, acts: tuple[str, ...], groups: tuple[str, ...]) -> tuple[int, int]:
        """How many sessions of the year, a day's double counted once, and over how many days."""
        days: dict[dt.date, int] = {}
        for act in self.p.acts:
            if act.day.year == self.n and act.code.startswith(acts):
                days[act.day] = max(days.get(act.day, 0), 1)
        for stay in self.stays(0):
            if stay.group.startswith(groups):
                days[stay.end] = max(days.get(stay.end, 0), stay.sessions, 1)
        return sum(days.values()), (max(days) - min(days)).days if days else 0

    def tops(self) -> set[str]:
        """Return the names that the person has in the year."""
        n = self.n
        found: dict[str, bool] = {}
        add = found.__setitem__

        add("top_CvIDM_aig", self.main(0, MI) or (self.i200 and self.main(0, ("I200",))))
        add("top_CvCoron_chr", self.five_years(CORONARY, CORONARY) and not found["top_CvIDM_aig"])
        add("top_CvAVC_aig", self.main(0, STROKE))
        add(
            "top_CvAVC_seq",
            self.five_years(STROKE_ALD, STROKE_AFTER) and not found["top_CvAVC_aig"],
        )
        add("top_CvIC_aig", self.heart_failure_stay(0))
        chronic_failure = (
            self.ald(HF_ALD)
            or self.heart_failure_stay(4)
            or any(has(s.related, HF) for s in self.stays(4))
            or self.associated(0, HF)
        )
        add("top_CvIC_chr", chronic_failure and not found["top_CvIC_aig"])
        for name, (ald, stay) in FIVE_YEARS.items():
            add(name, self.five_years(ald, stay))
        add("top_CvEmbol_aig", self.main(0, EMBOLISM))
        ten = [*CV, "top_CvTrRyC_ind", "top_CvValve_ind", "top_CvEmbol_aig"]
        add("top_CvAutre_ind", self.ald(HEART_OTHER) and not any(found[t] for t in ten))

        add("top_FDiabet_ind", self.diabetes())
        insulin = self.rx(n, codes("A10A"), large=True)
        add("sup_FInsul_ind", found["top_FDiabet_ind"] and insulin)
        add("sup_FInsulNO_ind", found["top_FDiabet_ind"] and not insulin)

        count, span = self.sessions(
            codes("JVJF002 JVJF003 JVJF004 JVJF005 JVJF006 JVJF007 JVJF008 JVJB001 JVRP0"),
            codes("28Z01 28Z02 28Z03 28Z04 11K02"),
        )
        add("top_RDialyse_ind", count >= 10 and span >= 45)
        add("sup_RDiaCou_ind", count > 0 and not found["top_RDialyse_ind"])
        blood, _ = self.sessions(
            codes("JVJF002 JVJF003 JVJF004 JVJF005 JVJF006 JVJF007 JVJF008"), codes("28Z03 28Z04")
        )
        belly, _ = self.sessions(codes("JVJB001 JVRP0"), codes("28Z01 28Z02"))
        add("sup_RHemDia_ind", found["top_RDialyse_ind"] and blood > 0)
        add("sup_RDiaPer_ind", found["top_RDialyse_ind"] and belly > 0)
        graft = any(a.day.year == n and a.code == "JAEA003" for a in self.p.acts)
        add("top_Rtrans_aig", graft or any(s.group.startswith("27C06") for s in self.stays(0)))
        followed = (
            self.ald(("Z940",))
            or self.main_or_related(4, ("Z940", "T861"))
            or self.associated(4, ("Z940", "T861"))
        )
        kidney = found["top_RDialyse_ind"] or found["top_Rtrans_aig"]
        add("top_Rtrans_chr", followed and not kidney)

        ill = any(
            found[t]
            for t in [
                *CV,
                "top_FDiabet_ind",
                "top_RDialyse_ind",
                "top_Rtrans_aig",
                "top_Rtrans_chr",
            ]
        )
        pressure = self.rx(
            n, codes("C02 C03 C07 C08 C09 C10BX"), codes("C10BX01 C10BX02 C10BX05 C10BX08"),
            large=True,
        )  # fmt: skip
        lipids = self.rx(n, codes("C10AA C10AB C10AC C10AD C10AX C10BA C10BX"), large=True)
        for name, treated in (("FAntiHTA", pressure), ("FHypoLi", lipids)):
            add(f"sup_{name}_med_nnexclu", treated)
            add(f"top_{name}_med", treated and not ill)

        named = tuple(code for site in SITES.values() for code in site)
        for name, site in SITES.items():
            state = self.cancer(site, ())
            if (name, self.p.sex) in (("SeiF", "1"), ("Pros", "2")):
                state = None
            add(f"top_Can{name}_act", state == "act")
            add(f"top_Can{name}_sur", state == "sur")
        state = self.cancer(ANY_CANCER, named)
        add("top_CanAutr_act", state == "act")
        add("top_CanAutr_sur", state == "sur")

        for name, prefixes in PSYCHIATRIC.items():
            add(
                name,
                self.ald(prefixes)
                or self.main_or_related(1, prefixes)
                or self.associated(0, prefixes)
                or any(
                    has(c, prefixes)
                    for s in self.p.psychiatry
                    if n - 1 <= s.end.year <= n
                    for c in (s.main, *s.others)
                ),
            )
        psychiatric = any(found[t] for t in PSYCHIATRIC if t.startswith("top_"))
        for name, prefixes, but in (
            ("PAntiDe", codes("N06A N05AN"), ()), ("PNeurol", codes("N05A"), codes("N05AN")),
            ("PAnxiol", codes("N05B"), ()), ("PHypnot", codes("N05C"), ()),
        ):  # fmt: skip
            treated = self.rx(n, prefixes, but)
            add(f"sup_{name}_med_nnexclu", treated)
            add(f"top_{name}_med", treated and not psychiatric)

        demented = self.five_years(DEMENTIA, DEMENTIA) or any(
            self.rx(year, codes("N06D")) for year in (n, n - 1)
        )
        add("top_NDemenc_ind", demented)
        add("sup_NDemAut_ind", demented and not found["sup_NDemAlz_ind"])
        add(
            "top_NParkin_ind",
            self.five_years(PARKINSON, PARKINSON)
            or (self.rx(n, codes("N04")) and not self.rx(n, codes("N05A"), dates=1)),
        )
        add("top_IRPolyA_ind", self.five_years(RHEUMATOID, RHEUMATOID, ("M081",)))
        add("top_IRHemop_ind", self.five_years(BLOOD, BLOOD, ("D684", "D685", "D686")))
        antiretrovirals = codes("J05AE J05AG J05AJ J05AR J05AX07 J05AX08 J05AX09")
        add(
            "top_IRVih_ind",
            self.five_years(HIV, HIV)
            or (self.rx(n, antiretrovirals) and self.rx(n, antiretrovirals, ("J05AR03",), dates=1)),
        )
        muco = found["top_IRMuco_ind"]
        lung = self.five_years(LUNG, LUNG) or self.rx(n, codes("R03"), large=True)
        add("sup_ABPCOIr_ind_nnexclu", lung)
        add("top_ABPCOIr_ind", lung and not muco)
        liver = self.five_years(LIVER_PANCREAS, LIVER_PANCREAS) or self.rx(
            n, codes("J05AP"), dates=1
        )
        add("sup_HFoiPan_ind_nnexclu", liver)
        add("top_HFoiPan_ind", liver and not muco)
        add("sup_HFoi_ind", self.five_years(LIVER, LIVER) and not muco)
        add("sup_HPan_ind", self.five_years(PANCREAS, PANCREAS) and not muco)

        self.others(found)
        return {name for name, is_so in found.items() if is_so}

    def others(self, found: dict[str, bool]) -> None:
        """Add what is left over, maternity, occasional stays and the groups."""
        claimed = (
            *CORONARY, *STROKE_ALD, *HF_ALD, *(c for a, _ in FIVE_YEARS.values() for c in a),
            *HEART_OTHER, *DIABETES, "Z940", *(c for p in PSYCHIATRIC.values() for c in p),
            *DEMENTIA, *PARKINSON, *HIV, *LUNG, *LIVER_PANCREAS, *ANY_CANCER,
        )  # fmt: skip

        def is_claimed(code: str | None) -> bool:
            return (
                has(code, claimed) or has(code, RHEUMATOID, ("M081",))
                or has(code, BLOOD, ("D684", "D685", "D686"))
            )  # fmt: skip

        left = {a.number if 1 <= a.number <= 32 else 0
                for a in self.alds() if not is_claimed(a.code)}  # fmt: skip
        end_stage = any(found[t] for t in ("top_RDialyse_ind", "top_Rtrans_aig", "top_Rtrans_chr"))
        if end_stage:
            left.discard(19)
        for number in (0, 2, 4, 10, 19, 23, 26, 29, 30, 31, 32):
            found[f"sup_ALDAutr_{number}_ind"] = number in left
        found["top_ALDAutr_ind"] = bool(left)

        woman = self.p.sex == "2"
        found["top_Materni_ind"] = woman and any(s.group.startswith("14") for s in self.stays(0))
        in_stays = (
            *MI, *CORONARY, *STROKE_AFTER, *HF, *HF_FIRST,
            *(c for _, s in FIVE_YEARS.values() for c in s), *EMBOLISM, *DIABETES,
            *DIABETES_COMPLICATION, "Z940", "T861", *(c for p in PSYCHIATRIC.values() for c in p),
            *DEMENTIA, *PARKINSON, *HIV, *LUNG, *LIVER_PANCREAS, *ANY_CANCER, "Z510", "Z511",
        )  # fmt: skip

        def stay_is_claimed(stay: Stay) -> bool:
            return (
                has(stay.main, in_stays) or has(stay.main, RHEUMATOID, ("M081",))
                or has(stay.main, BLOOD, ("D684", "D685", "D686"))
                or stay.group.startswith(codes("28Z01 28Z02 28Z03 28Z04 11K02 27C06 14"))
            )  # fmt: skip

        found["sup_hospit_ponct"] = any(
            not s.group.startswith("28") and not stay_is_claimed(s) for s in self.stays(0)
        )

        def union(name: str, *members: str) -> None:
            found[name] = any(found[m] for m in members)

        union("sup_CvIDMCor_cat", "top_CvIDM_aig", "top_CvCoron_chr")
        union("sup_CvAVC_cat", "top_CvAVC_aig", "top_CvAVC_seq")
        union("sup_CvIC_cat", "top_CvIC_aig", "top_CvIC_chr")
        union("sup_Cvaig_cat", *(t for t in found if t.startswith("top_Cv") and t.endswith("_aig")))
        union(
            "sup_Cvchr_cat",
            *(t for t in found if t.startswith("top_Cv") and not t.endswith("_aig")),
        )
        union("sup_Cv_cat", "sup_Cvaig_cat", "sup_Cvchr_cat")
        union("sup_FRV_cat", "top_FAntiHTA_med", "top_FHypoLi_med")
        union("sup_FRV_cat_nnexclu", "sup_FAntiHTA_med_nnexclu", "sup_FHypoLi_med_nnexclu")
        union("sup_FRVDiab_cat", "top_FDiabet_ind", "sup_FRV_cat")
        for site in (*SITES, "Autr"):
            union(f"sup_Can{site}_cat", f"top_Can{site}_act", f"top_Can{site}_sur")
        union("sup_CanAct_cat", *(f"top_Can{site}_act" for site in (*SITES, "Autr")))
        union("sup_CanSur_cat", *(f"top_Can{site}_sur" for site in (*SITES, "Autr")))
        union("sup_Can_cat", "sup_CanAct_cat", "sup_CanSur_cat")
        union("sup_PsyPat_cat", *(t for t in PSYCHIATRIC if t.startswith("top_")))
        drugs = ("PAntiDe", "PNeurol", "PAnxiol", "PHypnot")
        union("sup_PsyMed_cat", *(f"top_{d}_med" for d in drugs))
        union("sup_PsyMed_cat_nnexclu", *(f"sup_{d}_med_nnexclu" for d in drugs))
        union("sup_Psy_cat", "sup_PsyPat_cat", "sup_PsyMed_cat")
        union("sup_NDemPar_cat", "top_NDemenc_ind", "top_NParkin_ind")
        union(
            "sup_Neuro_cat", "top_NSePlaq_ind", "top_NParapl_ind", "top_NMyoMya_ind",
            "top_NEpilep_ind", "top_NAutres_ind",
        )  # fmt: skip
        union("sup_NeuDeg_cat", "sup_NDemPar_cat", "sup_Neuro_cat")
        union(
            "sup_Inflam_cat", "top_IRCrRCH_ind", "top_IRPolyA_ind", "top_IRSponA_ind",
            "top_IRautre_ind",
        )  # fmt: skip
        union("sup_Rares_cat", "top_IRMMHer_ind", "top_IRMuco_ind", "top_IRHemop_ind")
        union("sup_InfRarVIH_cat", "sup_Inflam_cat", "sup_Rares_cat", "top_IRVih_ind")
        union("sup_RIRCT_cat", "top_RDialyse_ind", "top_Rtrans_aig", "top_Rtrans_chr")
        union(
            "sup_Patho_cat_exclu", "sup_Cv_cat", "top_FDiabet_ind", "sup_Can_cat",
            "sup_PsyPat_cat", "sup_NeuDeg_cat", "top_ABPCOIr_ind", "sup_InfRarVIH_cat",
            "sup_RIRCT_cat", "top_HFoiPan_ind", "top_ALDAutr_ind",
        )  # fmt: skip
        union("sup_Patho_cat_nnexclu", "sup_Patho_cat_exclu", "sup_FRV_cat", "sup_PsyMed_cat")
        union("sup_PatMat_cat", "sup_Patho_cat_nnexclu", "top_Materni_ind")
        found["sup_Materni_ind_exclu"] = (
            found["top_Materni_ind"] and not found["sup_Patho_cat_nnexclu"]
        )
        found["sup_hospit_ponct_exclu"] = found["sup_hospit_ponct"] and not found["sup_PatMat_cat"]
        union("sup_PatMatHos_cat", "sup_PatMat_cat", "sup_hospit_ponct")
        for name, prefixes in (
            ("AINS", codes("M01A")), ("Antalg", codes("N02A N02B")), ("ACorti", codes("H02A H02B"))
        ):  # fmt: skip
            treated = self.rx(self.n, prefixes, dates=6)
            found[f"sup_{name}_med_nnexclu"] = treated
            found[f"sup_{name}_med"] = treated and not found["sup_PatMatHos_cat"]
        for tail in ("", "_nnexclu"):
            union(
                f"sup_Arthros_med{tail}",
                *(f"sup_{name}_med{tail}" for name in ("AINS", "Antalg", "ACorti")),
            )
