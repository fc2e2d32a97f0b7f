"""What operators are told of: failed runs, late deliveries, refusals and drift.

Settings in ``dagster/alerts.yaml``; without it nobody is told. A message names jobs, runs, tables,
deliveries and rates, never a value and never the text of an error.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.ingestion import deliveries
from openchronic_assets.settings import Home

_DAY = 86400.0
_PATIENCE = 20.0  # seconds for a mail or web server


class Mail(BaseModel):
    """Where mail goes. The password is in a file, never here."""

    model_config = ConfigDict(extra="forbid")

    host: str
    port: int = 587
    sender: str
    to: list[str] = Field(min_length=1)
    starttls: bool = True
    user: str | None = None
    password_file: Path | None = None


class Settings(BaseModel):
    """Who is told, and from which figures on."""

    model_config = ConfigDict(extra="forbid")

    mail: Mail | None = None
    webhook_file: Path | None = Field(
        default=None, description="A file that holds the address: such addresses are secrets."
    )
    freshness_days: float = Field(default=45, gt=0)
    quarantine_rate: float = Field(default=0.02, ge=0, le=1)
    drift: float = Field(default=0.5, gt=0)

    @model_validator(mode="after")
    def _somebody(self) -> Settings:
        if self.mail is None and self.webhook_file is None:
            raise ValueError("mail or webhook_file says who is told")
        return self


@dataclass(frozen=True)
class Alert:
    """One thing to tell, once: ``key`` names it."""

    key: str
    subject: str
    text: str


def load(home: Home) -> Settings | None:
    """Return the settings of a home, or None where nobody is to be told.

    Raises:
        UsageError: they cannot be read.
    """
    path = home.dagster / "alerts.yaml"
    if not path.is_file():
        return None
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        places = (
            ", ".join(
                ".".join(map(str, e["loc"])) or "alerts" for e in error.errors(include_input=False)
            )
            if isinstance(error, ValidationError)
            else "not YAML"
        )
        raise UsageError(f"dagster/alerts.yaml cannot be used: {places}") from None


def found(home: Home, settings: Settings, now: float | None = None) -> Iterator[Alert]:
    """Yield what is to be told of the deliveries of a home."""
    now = now or time.time()
    every = deliveries.records(home)
    arrived = {
        record.id: (home.deliveries / f"{record.id}.json").stat().st_mtime for record in every
    }
    if arrived and (days := (now - max(arrived.values())) / _DAY) > settings.freshness_days:
        newest = max(arrived, key=lambda each: arrived[each])
        yield Alert(
            f"late:{newest}",
            "Open Chronic : aucune livraison récente",
            f"La dernière livraison a été prise il y a {days:.0f} jours "
            f"(seuil : {settings.freshness_days:g}). Voir docs/runbooks/bad-delivery.md.",
        )
    every.sort(key=lambda record: (arrived[record.id], record.id))
    before: dict[str, float] = {}
    for record in every:
        rows: dict[str, list[int]] = {}
        for report in record.files:
            if report.status == "loaded":
                counts = rows.setdefault(report.table, [0, 0, 0])
                for place, n in enumerate((1, report.rows_read, report.quarantined)):
                    counts[place] += n
        for table, (files, read, refused) in sorted(rows.items()):
            if read and refused / read > settings.quarantine_rate:
                yield Alert(
                    f"refused:{record.id}:{table}",
                    f"Open Chronic : lignes refusées dans {table}",
                    f"Livraison {record.id[:12]}, table {table} : {refused} lignes refusées sur "
                    f"{read} ({refused / read:.1%}, seuil {settings.quarantine_rate:.1%}). "
                    "Voir docs/runbooks/bad-delivery.md.",
                )
            mean = read / files
            if table in before and before[table]:
                change = mean / before[table] - 1
                if abs(change) > settings.drift:
                    yield Alert(
                        f"drift:{record.id}:{table}",
                        f"Open Chronic : volume inhabituel dans {table}",
                        f"Livraison {record.id[:12]}, table {table} : {mean:.0f} lignes par "
                        f"fichier, {change:+.0%} par rapport à la livraison précédente (seuil "
                        f"{settings.drift:.0%}). Voir docs/runbooks/bad-delivery.md.",
                    )
            before[table] = mean
    return


def failed_run(job: str, run_id: str, steps: list[str]) -> Alert:
    """Return what is told of a run that failed."""
    said = ", ".join(sorted(steps)) or "avant sa première étape"
    return Alert(
        f"run:{run_id}",
        f"Open Chronic : échec de {job}",
        f"Le run {run_id} du job {job} a échoué ({said}). Le message est dans Dagster.",
    )


def send(settings: Settings, alert: Alert) -> None:
    """Tell everybody who is to be told.

    Raises:
        OpenChronicError: a server did not take the message.
    """
    if settings.mail is not None:
        try:
            _mail(settings.mail, alert)
        except (OSError, smtplib.SMTPException) as error:
            raise OpenChronicError(
                f"the mail server did not take an alert ({type(error).__name__}): see mail in "
                "dagster/alerts.yaml"
            ) from None
    if settings.webhook_file is not None:
        try:
            _webhook(settings.webhook_file, alert)
        except (OSError, ValueError) as error:
            raise OpenChronicError(
                f"the webhook did not take an alert ({type(error).__name__}): see webhook_file in "
                "dagster/alerts.yaml"
            ) from None


def _mail(mail: Mail, alert: Alert) -> None:
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, ", ".join(mail.to)
    message["Subject"] = alert.subject
    message.set_content(alert.text)
    with smtplib.SMTP(mail.host, mail.port, timeout=_PATIENCE) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user and mail.password_file:
            server.login(mail.user, mail.password_file.read_text(encoding="utf-8").strip())
        server.send_message(message)


def _webhook(file: Path, alert: Alert) -> None:
    address = file.read_text(encoding="utf-8").strip()
    if not address.startswith(("https://", "http://")):
        raise ValueError
    body = json.dumps({"title": alert.subject, "text": alert.text}, ensure_ascii=False).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_PATIENCE):
        pass
