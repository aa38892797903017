"""Users, sessions and tokens: who may do what, by secrets of which only hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final, Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from wetread.errors import InputError
from wetread.worklist.tables import SESSIONS, TOKENS, USERS

Role = Literal["reader", "admin", "system"]
"""Who reads, who also looks after the node, and machines that send films and ask for results."""
ROLES: Final[tuple[Role, ...]] = get_args(Role)
SHORTEST_PASSWORD: Final = 10

_HASHER: Final = PasswordHasher()
_NOBODY: Final = _HASHER.hash(secrets.token_hex())
"""Verified where there is no such user, so that the answer takes as long."""


@dataclass(frozen=True)
class Lockout:
    """After `after` failed logins in a row a name is locked for `seconds`."""

    after: int
    seconds: float


@dataclass(frozen=True)
class Caller:
    """Who asks: a user in a session, which has a `csrf_token`, or a token, which has none."""

    name: str
    role: Role
    csrf_token: str = ""
    must_change: bool = False


def add_user(db: Connection, name: str, password: str, role: Role, now: float) -> None:
    """Add a user.

    Raises:
        InputError: the name is taken or none, or the password too short.
    """
    if not (0 < len(name) <= 64) or not name.isprintable():
        raise InputError("user: expected a name of 1 to 64 characters")
    values = {
        "name": name,
        "password_hash": hashed(password),
        "role": role,
        "created_at": now,
        "is_disabled": False,
        "must_change": False,
        "failed_logins": 0,
        "settings": {},
    }
    try:
        db.execute(insert(USERS).values(values))
    except IntegrityError:
        raise InputError(f"user {name}: there is one already") from None


def hashed(password: str) -> str:
    """Return the Argon2id hash of a password.

    Raises:
        InputError: it is too short, or longer than any password.
    """
    if not SHORTEST_PASSWORD <= len(password) <= 1024:
        raise InputError(f"password: expected {SHORTEST_PASSWORD} characters or more")
    return _HASHER.hash(password)


def set_password(db: Connection, name: str, password_hash: str) -> bool:
    """Give a user another password, unlock the name and end its sessions; False without a user."""
    values = {"password_hash": password_hash, "failed_logins": 0, "locked_until": None}
    values["must_change"] = False
    found = db.execute(update(USERS).where(USERS.c.name == name).values(values)).rowcount
    users = select(USERS.c.id).where(USERS.c.name == name)
    db.execute(delete(SESSIONS).where(SESSIONS.c.user_id.in_(users)))
    return found == 1


def password_fits(db: Connection, name: str, password: str, now: float) -> bool:
    """Whether a login is right: in the time of one verification, whatever is wrong.

    On a connection of `Store.read`: it takes long, and `note_login` writes what became of it.
    """
    user = db.execute(select(USERS).where(USERS.c.name == name)).one_or_none()
    is_open = user is not None and not user.is_disabled and (user.locked_until or 0) <= now
    try:
        _HASHER.verify(user.password_hash if user is not None and is_open else _NOBODY, password)
    except (Argon2Error, InvalidHashError):
        return False
    return is_open


def note_login(db: Connection, name: str, is_right: bool, lockout: Lockout, now: float) -> None:
    """Count a failed login, and lock the name after too many; a right one begins anew."""
    user = db.execute(select(USERS).where(USERS.c.name == name).with_for_update()).one_or_none()
    if user is None or (user.locked_until or 0) > now:
        return
    failed = 0 if is_right else user.failed_logins + 1
    locked = now + lockout.seconds if failed >= lockout.after else None
    values = {"failed_logins": 0 if locked else failed, "locked_until": locked}
    db.execute(update(USERS).where(USERS.c.id == user.id).values(values))


def begin_session(db: Connection, name: str, seconds: float, now: float) -> tuple[str, Caller]:
    """Return the secret of a new session, and who it is."""
    db.execute(delete(SESSIONS).where(SESSIONS.c.expires_at < now))
    user = db.execute(select(USERS).where(USERS.c.name == name)).one()
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    values = {
        "user_id": user.id,
        "session_sha256": _sha256(secret),
        "csrf_token": csrf,
        "created_at": now,
        "expires_at": now + seconds,
    }
    db.execute(insert(SESSIONS).values(values))
    return secret, Caller(user.name, user.role, csrf, user.must_change)


def caller_of_session(db: Connection, secret: str, now: float) -> Caller | None:
    """Return who a session is of; None where there is none, or no more."""
    row = db.execute(
        select(USERS, SESSIONS.c.csrf_token)
        .join(SESSIONS, SESSIONS.c.user_id == USERS.c.id)
        .where(SESSIONS.c.session_sha256 == _sha256(secret), SESSIONS.c.expires_at > now)
    ).one_or_none()
    if row is None or row.is_disabled:
        return None
    return Caller(row.name, row.role, row.csrf_token, row.must_change)


def end_session(db: Connection, secret: str) -> None:
    """End a session."""
    db.execute(delete(SESSIONS).where(SESSIONS.c.session_sha256 == _sha256(secret)))


def add_token(
    db: Connection, name: str, role: Role, by: str, now: float, expires_at: float | None
) -> str:
    """Return the secret of a new token; it is shown this once.

    Raises:
        InputError: the name is taken.
    """
    secret = f"wetread_{secrets.token_urlsafe(32)}"
    values = {
        "name": name[:64],
        "token_sha256": _sha256(secret),
        "role": role,
        "created_at": now,
        "created_by": by,
        "expires_at": expires_at,
        "is_revoked": False,
    }
    try:
        db.execute(insert(TOKENS).values(values))
    except IntegrityError:
        raise InputError(f"token {name}: there is one already") from None
    return secret


def caller_of_token(db: Connection, secret: str, now: float) -> Caller | None:
    """Return who a token is of; None where there is none, or no more."""
    row = db.execute(select(TOKENS).where(TOKENS.c.token_sha256 == _sha256(secret))).one_or_none()
    if row is None or row.is_revoked or (row.expires_at is not None and row.expires_at <= now):
        return None
    return Caller(row.name, row.role)


def revoke_token(db: Connection, name: str) -> bool:
    """Let a token be of no more use; False where there is none."""
    found = update(TOKENS).where(TOKENS.c.name == name).values(is_revoked=True)
    return db.execute(found).rowcount == 1


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
