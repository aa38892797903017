"""The store's tables: what is kept of patients, studies, films, first reads and their delivery.

Times are seconds since 1970 in UTC. Migrations (`wetread.worklist.migrations`) make them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite counts rows by itself only in a column that is declared INTEGER.
_ID: Final = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", _ID, primary_key=True, autoincrement=True)


def _of(table: str, *, optional: bool = False) -> Column[int]:
    name = {"studies": "study"}.get(table, table.removesuffix("s"))
    key = ForeignKey(f"{table}.id", ondelete="CASCADE")
    return Column(f"{name}_id", _ID, key, nullable=optional, index=True)


PATIENTS: Final = Table(
    "patients",
    METADATA,
    _id(),
    Column("patient_number", String(64), nullable=False),
    Column("issuer", String(64), nullable=False),
    Column("name", String(320), nullable=False),
    Column("birth_date", Date),
    Column("sex", String(1), nullable=False),
    UniqueConstraint("patient_number", "issuer"),
)

STUDIES: Final = Table(
    "studies",
    METADATA,
    _id(),
    _of("patients"),
    Column("study_uid", String(64), nullable=False, unique=True),
    Column("accession", String(64), nullable=False, index=True),
    Column("study_at", DateTime),  # local time of the hospital, as its films have it
    Column("description", String(64), nullable=False),
    Column("age_years", Integer),
    Column("urgency", String(16), nullable=False),
    Column("received_at", Float, nullable=False),
    # The order of reading: the lowest first. See `wetread.worklist.priority`.
    Column("place", Float, nullable=False),
    Column("place_reason", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("findings", JSON, nullable=False),
    Column("read_at", Float),
    Column("read_by", String(64)),
    Column("version", Integer, nullable=False),
    Index(None, "read_at", "place", "id"),
)

FILMS: Final = Table(
    "films",
    METADATA,
    _id(),
    _of("studies"),
    Column("sop_uid", String(64), nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("sop_class", String(64), nullable=False),
    Column("series_uid", String(64), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("view", String(16), nullable=False),
    Column("file", String(200), nullable=False),  # below the folder of films
    Column("n_bytes", BigInteger, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("received_from", String(64), nullable=False),
    # Another film came under the same UID before: this one is kept apart.
    Column("is_conflict", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", String(64)),
    Column("lease_until", Float),
    # Which of the node's models is to score it; empty for the first.
    Column("model", String(64), nullable=False),
    UniqueConstraint("sop_uid", "content_sha256"),
    Index(None, "state", "id"),
)

PREDICTIONS: Final = Table(
    "predictions",
    METADATA,
    _id(),
    _of("films"),
    Column("bundle_sha256", String(64), nullable=False),
    Column("bundle_name", String(200), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("record", JSON, nullable=False),  # `wetread.inference.results.as_record`
    Column("kind", String(16), nullable=False),  # of the operating points
    Column("points", JSON, nullable=False),
    Column("boxes", JSON, nullable=False),
    Column("measures", JSON, nullable=False),  # of the picture, for the drift watch
    Column("maps", LargeBinary),  # float16, (height, width, 15)
    Column("map_side", Integer, nullable=False),
    Column("is_current", Boolean, nullable=False),
    UniqueConstraint("film_id", "bundle_sha256"),
    Index(None, "made_at"),
)

DELIVERIES: Final = Table(
    "deliveries",
    METADATA,
    _id(),
    _of("predictions"),
    Column("what", String(16), nullable=False),  # sr, sc, gsps, hl7
    Column("destination", String(64), nullable=False),
    Column("file", String(200), nullable=False),  # below the folder of results
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("claimed_by", String(64)),
    Column("lease_until", Float),
    Column("delivered_at", Float),
    Column("last_error", String(200), nullable=False),
    UniqueConstraint("prediction_id", "what", "destination"),
    Index(None, "destination", "state", "due_at"),
)

VERDICTS: Final = Table(
    "verdicts",
    METADATA,
    _id(),
    _of("films"),
    _of("predictions", optional=True),
    Column("reader", String(64), nullable=False),
    Column("label", String(32), nullable=False),
    Column("is_present", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("given_at", Float, nullable=False),
    Column("is_blinded", Boolean, nullable=False),
    UniqueConstraint("film_id", "reader", "label"),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    _id(),
    Column("at", Float, nullable=False),
    Column("who", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# One row: how many lines there are and the hash of the last. Without it nobody would miss the end.
AUDIT_HEAD: Final = Table(
    "audit_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("lines", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

USERS: Final = Table(
    "users",
    METADATA,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("failed_logins", Integer, nullable=False),
    Column("locked_until", Float),
    Column("settings", JSON, nullable=False),
)

TOKENS: Final = Table(
    "tokens",
    METADATA,
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", Float),
    Column("used_at", Float),
    Column("is_revoked", Boolean, nullable=False),
)

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    _id(),
    _of("users"),
    Column("session_sha256", String(64), nullable=False, unique=True),
    Column("csrf_token", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
