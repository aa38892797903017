"""wetread.toml and environment variables in, the settings of a node out.

Each setting is also an environment variable: `WETREAD_DICOM__PORT` is `port` of `[dicom]`; those
stand above the file. What is secret is the path of a file that holds it.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from wetread.errors import ConfigError
from wetread.findings import LABELS
from wetread.records import Kind
from wetread.worklist.priority import Rules

What = Literal["sr", "sc", "gsps", "hl7"]
"""Of a result: structured report, secondary capture, presentation state, HL7 v2 message."""
Port = Annotated[int, Ge(0), Le(65535)]
Title = Annotated[str, Field(pattern=r"^[ -\[\]-~]{1,16}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(_Section):
    """Encryption of what others connect to."""

    certificate: Path | None = Field(None, description="Certificate of this node (PEM).")
    key: Path | None = Field(None, description="Its private key (PEM).")
    client_ca: Path | None = Field(
        None, description="Ask the other side for a certificate that this authority signed (PEM)."
    )

    @property
    def is_on(self) -> bool:
        """Whether the connection is encrypted."""
        return self.certificate is not None

    @model_validator(mode="after")
    def _whole(self) -> Tls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.client_ca and not self.certificate:
            raise ValueError("client_ca needs certificate and key")
        return self


class NodeSection(_Section):
    """What the node is and keeps."""

    data: Path = Field(
        Path("wetread-data"), description="Folder of films, results and, by default, the store."
    )
    store: str = Field(
        "",
        description="Database: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; "
        "empty: store.db in `data`.",
    )
    model: Path | None = Field(
        None, description="Bundle made by `wetread export`; none: the starter, a demonstration."
    )
    others: dict[str, Path] = Field(
        {},
        examples=[{"second": "PATH"}],
        description="Further bundles, by a name of yours, to score films again with.",
    )
    operating_point: Kind = Field("balanced", description="Which threshold names a finding.")
    results: tuple[What, ...] = Field(
        ("sr", "sc"),
        description="What is made of a first read: sr (structured report), sc (picture), "
        "gsps (boxes as presentation state), hl7 (ORU message).",
    )
    workers: int = Field(
        1, ge=0, le=64, description="Workers in this process; 0: `wetread worker` does it."
    )
    lease_s: float = Field(
        120.0, gt=0, description="Seconds after which a lost worker's films go to the others."
    )
    keep_free_mb: int = Field(
        500, ge=0, description="Refuse films, for the sender to try again, when less is free (MB)."
    )


class DicomSection(_Section):
    """The DICOM receiver."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: Port = Field(11112, description="Port of the DICOM receiver.")
    ae_title: Title = Field("WETREAD", description="Name of this node.")
    senders: tuple[Title, ...] = Field((), description="AE titles that may send; empty: any.")
    addresses: tuple[str, ...] = Field(
        (), description="Addresses or networks (10.0.0.0/8) that may connect; empty: any."
    )
    most_associations: int = Field(16, ge=1, le=512, description="Associations at a time.")
    tls: Tls = Tls()


class FolderSection(_Section):
    """The watched folder."""

    watch: Path | None = Field(
        None,
        description="Films put there are taken in and removed; what is none goes to rejected/.",
    )
    every_s: float = Field(1.0, gt=0, description="Seconds between looks.")


class ApiSection(_Section):
    """The REST interface and the pages."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: Port = Field(8080, description="Port of the REST interface and the pages.")
    most_upload_mb: int = Field(256, ge=1, description="Largest request that is taken (MB).")
    session_hours: float = Field(10.0, gt=0, description="How long a login lasts.")
    lockout_after: int = Field(8, ge=1, description="Failed logins until a name is locked.")
    lockout_minutes: float = Field(15.0, gt=0, description="How long it stays locked.")
    tls: Tls = Tls()


class OrderSection(_Section):
    """The order of reading: what raises a study, as if it had come so much earlier."""

    critical: tuple[str, ...] = Field(
        ("Pneumothorax",), description="Findings that raise most; each of wetread's labels."
    )
    critical_minutes: float = Field(180.0, ge=0, description="How far those raise a study.")
    flagged_minutes: float = Field(60.0, ge=0, description="How far other findings do.")
    look_minutes: float = Field(
        60.0, ge=0, description="How far a film does that the machine did not read, or doubts."
    )
    stated_minutes: float = Field(240.0, ge=0, description="How far STAT does; HIGH by half.")
    normal_score: float | None = Field(
        None,
        ge=0,
        le=1,
        examples=[0.9],
        description="Studies whose films all reach this score of No Finding are read later; "
        "needs normal_miss_rate. Not set: nothing is read later than it came.",
    )
    normal_miss_rate: float | None = Field(
        None,
        ge=0,
        lt=1,
        examples=[0.02],
        description="Share of abnormal films that reach it, as measured.",
    )
    normal_minutes: float = Field(120.0, ge=0, description="How much later those are read.")

    @field_validator("critical")
    @classmethod
    def _known(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            if label not in LABELS[:-1]:
                raise ValueError(f"{label} is none of {', '.join(LABELS[:-1])}")
        return labels

    @model_validator(mode="after")
    def _stated(self) -> OrderSection:
        if (self.normal_score is None) != (self.normal_miss_rate is None):
            raise ValueError("normal_score and normal_miss_rate go together")
        return self

    @property
    def rules(self) -> Rules:
        """The same in seconds."""
        return Rules(
            stated_s=60 * self.stated_minutes,
            critical_s=60 * self.critical_minutes,
            flagged_s=60 * self.flagged_minutes,
            look_s=60 * self.look_minutes,
            critical=frozenset(self.critical),
            normal_score=self.normal_score,
            normal_miss_rate=self.normal_miss_rate,
            normal_delay_s=60 * self.normal_minutes,
        )


class DeliverySection(_Section):
    """How results are sent."""

    give_up_days: float = Field(3.0, gt=0, description="Days of trying until a result is dead.")
    first_wait_s: float = Field(5.0, gt=0, description="Wait after a first failure; it doubles.")
    longest_wait_s: float = Field(1800.0, gt=0, description="Longest wait between tries.")
    timeout_s: float = Field(30.0, gt=0, description="How long an archive may take to answer.")


class Archive(_Section):
    """A destination of results."""

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")] = Field(
        examples=["pacs"], description="What this destination is called."
    )
    kind: Literal["dicom", "stow", "mllp"] = Field(
        "dicom", description="dicom (C-STORE), stow (DICOMweb STOW-RS) or mllp (HL7 v2)."
    )
    takes: tuple[What, ...] = Field(
        (), description="Which results it gets; empty: all that its kind can carry."
    )
    host: str = Field("", examples=["10.0.0.5"], description="Of kind dicom and mllp.")
    port: Port = Field(0, examples=[104], description="Of kind dicom and mllp.")
    ae_title: Title = Field("ANY-SCP", description="Of kind dicom: the archive's name.")
    url: str = Field("", description="Of kind stow: https://archive/dicom-web.")
    user: str = Field("", description="Of kind stow: user for basic authentication.")
    password_file: Path | None = Field(None, description="Of kind stow: file with its password.")
    token_file: Path | None = Field(None, description="Of kind stow: file with a bearer token.")
    ca: Path | None = Field(None, description="Authority that signed its certificate: use TLS.")
    certificate: Path | None = Field(None, description="Certificate to show to it (PEM).")
    key: Path | None = Field(None, description="Key of that certificate (PEM).")

    @property
    def carries(self) -> frozenset[str]:
        """Which results are sent there."""
        can: frozenset[str] = frozenset({"hl7"}) if self.kind == "mllp" else _DICOM_RESULTS
        return can & frozenset(self.takes) if self.takes else can

    @model_validator(mode="after")
    def _reachable(self) -> Archive:
        if self.kind == "stow" and not self.url.startswith(("http://", "https://")):
            raise ValueError("kind stow needs url = http://... or https://...")
        if self.kind != "stow" and not (self.host and self.port):
            raise ValueError(f"kind {self.kind} needs host and port")
        if self.takes and not self.carries:
            raise ValueError(f"kind {self.kind} carries none of {', '.join(self.takes)}")
        return self


_DICOM_RESULTS = frozenset(get_args(What)) - {"hl7"}


class Config(BaseSettings):
    """All settings of a node."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="WETREAD_", env_nested_delimiter="__"
    )

    node: NodeSection = NodeSection()
    dicom: DicomSection = DicomSection()
    folder: FolderSection = FolderSection()
    api: ApiSection = ApiSection()
    order: OrderSection = OrderSection()
    delivery: DeliverySection = DeliverySection()
    archives: tuple[Archive, ...] = ()

    @property
    def films(self) -> Path:
        """Folder of the films that came in."""
        return self.node.data / "films"

    @property
    def results(self) -> Path:
        """Folder of the results that were made."""
        return self.node.data / "results"

    @property
    def store_url(self) -> str:
        """Address of the database."""
        return self.node.store or f"sqlite:///{(self.node.data / 'store.db').resolve()}"

    @model_validator(mode="after")
    def _distinct(self) -> Config:
        names = [one.name for one in self.archives]
        if len(set(names)) < len(names):
            raise ValueError("two archives of one name")
        return self


def read_config(path: Path | None) -> Config:
    """Return the settings of a file, or the defaults, with the environment above both.

    Raises:
        ConfigError: the file is absent or no TOML, or a setting is unknown or wrong.
    """
    if path is not None:
        try:
            tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); `wetread serve --init` writes one"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: no TOML ({error})") from None

    class FromFile(Config):
        model_config = SettingsConfigDict(toml_file=path)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return env_settings, TomlConfigSettingsSource(settings_cls)

    try:
        return FromFile()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path or 'environment'}: {where}: {said}") from None


def commented_config() -> str:
    """Return a wetread.toml with every setting, its default and what it is for."""
    lines = [
        "# wetread's node. Research use only: not a medical device.",
        "# Each setting is also an environment variable: WETREAD_DICOM__PORT is `port` of [dicom].",
        "# A line that begins with # shows the default.",
    ]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            lines += _section(name, section)
    lines += ["", "# Where results go; one such part a destination.", "#", "# [[archives]]"]
    for key, one in Archive.model_fields.items():
        lines += [f"# # {one.description}", f"# {key} = {_toml(_shown(one))}"]
    return "\n".join(lines) + "\n"


def _section(title: str, section: type[BaseModel]) -> list[str]:
    lines = ["", f"[{title}]"]
    inner: list[str] = []
    for name, one in section.model_fields.items():
        if one.annotation is Tls:
            inner = ["", f"# [{title}.tls]"]
            for key, value in Tls.model_fields.items():
                inner += [f"# # {value.description}", f"# {key} = {_toml(None)}"]
        else:
            lines += [f"# {one.description}", f"# {name} = {_toml(_shown(one))}"]
    return lines + inner


def _shown(one: FieldInfo) -> Any:
    return one.examples[0] if one.examples else one.default


def _toml(value: Any) -> str:
    if value is None:
        return '"PATH"'
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(str(value) if isinstance(value, Path) else value)
