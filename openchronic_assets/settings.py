"""Where things are: the zones under ``OPENCHRONIC_HOME``."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from openchronic_assets.errors import Refused

HOME_VARIABLE = "OPENCHRONIC_HOME"

# Mode of each zone, as its readers need it: see docs/zones.md.
_MODES = {
    "landing": 0o750,
    "vault": 0o700,
    "lake": 0o750,
    "lake/raw": 0o750,
    "lake/quarantine": 0o700,
    "lake/deliveries": 0o750,
    "lake/reports": 0o750,
    "lake/nomenclatures": 0o750,
    "lake/analytics": 0o750,
    "lake/builds": 0o750,
    "lake/.scratch": 0o700,
    "exports": 0o750,
    "candidate": 0o750,
    "release_restricted": 0o750,
    "release": 0o755,
    "atlas": 0o755,
    "dagster": 0o750,
    "gateway": 0o750,
}


@dataclass(frozen=True)
class Home:
    """The folder that holds every zone; all properties are absolute paths."""

    root: Path

    @property
    def landing(self) -> Path:
        """Deliveries as received, never changed."""
        return self.root / "landing"

    @property
    def vault(self) -> Path:
        """Pseudonym secret, audit journal, refusals."""
        return self.root / "vault"

    @property
    def lake(self) -> Path:
        """Everything typed: raw tables, builds, catalogue."""
        return self.root / "lake"

    @property
    def raw(self) -> Path:
        """Typed rows of the deliveries, pseudonymised keys, provenance."""
        return self.lake / "raw"

    @property
    def quarantine(self) -> Path:
        """Refused rows with file, line, reason and raw text: personal data."""
        return self.lake / "quarantine"

    @property
    def deliveries(self) -> Path:
        """One JSON record for each delivery that was ingested."""
        return self.lake / "deliveries"

    @property
    def nomenclatures(self) -> Path:
        """Code lists with their labels, a folder a list, a file a vintage."""
        return self.lake / "nomenclatures"

    @property
    def codelists(self) -> Path:
        """Cards of the code lists taken in from elsewhere; no data on people."""
        return self.lake / "codelists"

    @property
    def reports(self) -> Path:
        """One page of HTML for each delivery: what came, what was refused, what changed."""
        return self.lake / "reports"

    @property
    def analytics(self) -> Path:
        """Models, scores and tables of the analyses: individual data, for the secure space."""
        return self.lake / "analytics"

    @property
    def builds(self) -> Path:
        """Immutable Parquet of the dbt models, one folder a build."""
        return self.lake / "builds"

    @property
    def catalogue(self) -> Path:
        """DuckDB file of views over one build."""
        return self.lake / "catalogue.duckdb"

    @property
    def panel(self) -> Path:
        """Which share of the people the builds hold, where not everybody."""
        return self.lake / "panel.json"

    @property
    def pointer(self) -> Path:
        """The manifest of the current build: model, year, files."""
        return self.lake / "current.json"

    @property
    def scratch(self) -> Path:
        """Working files of runs; may be emptied when nothing runs."""
        return self.lake / ".scratch"

    @property
    def exports(self) -> Path:
        """Event-level extracts for the secure space."""
        return self.root / "exports"

    @property
    def candidate(self) -> Path:
        """Releases that passed the gate and wait for two approvals."""
        return self.root / "candidate"

    @property
    def release(self) -> Path:
        """Public releases, immutable."""
        return self.root / "release"

    @property
    def release_restricted(self) -> Path:
        """Research files with individual data, for named users."""
        return self.root / "release_restricted"

    @property
    def atlas(self) -> Path:
        """The site that the public reads, made from ``release/`` alone."""
        return self.root / "atlas"

    @property
    def dagster(self) -> Path:
        """The Dagster instance of the embedded installation."""
        return self.root / "dagster"

    def create(self) -> Home:
        """Make the zones that are missing, each with its mode, and return the home itself."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name, mode in _MODES.items():
            zone = self.root / name
            if not zone.exists():
                # Never wider than it may be, not even until the next line: a kill between the two
                # would leave a zone that the next start refuses.
                zone.mkdir(mode=mode, parents=True, exist_ok=True)
                zone.chmod(mode)
        self.check_modes()
        return self

    def check_modes(self) -> None:
        """Refuse to work in zones that are open wider than their readers need.

        Raises:
            Refused: a zone lets in more accounts than docs/zones.md says.
        """
        for name, allowed in _MODES.items():
            zone = self.root / name
            try:
                mode = stat.S_IMODE(zone.stat().st_mode)
            except OSError:  # not there, or closed to this account
                continue
            if mode & 0o777 & ~allowed:
                raise Refused(
                    f"the zone {name} of {self.root} has mode {mode & 0o777:04o} and may have "
                    f"{allowed:04o} at most: chmod {allowed:o} {zone}, then look who read it "
                    "meanwhile"
                )


_named: Home | None = None


def home(path: str | Path | None = None) -> Home:
    """Return the home named by the argument, else ``OPENCHRONIC_HOME``, else ``./data``."""
    global _named
    found = Home(Path(path or os.environ.get(HOME_VARIABLE) or "data").expanduser().resolve())
    if path:
        _named = found
    return found


def current_home() -> Home:
    """Return the home that this process named last, else that of :func:`home`."""
    return _named or home()
