"""Users, their logins (sessions), and how many requests each may make, as Valkey keeps them."""

import secrets
import time
from dataclasses import dataclass

from target.agent_directory import LUA_REMOVE_AGENT
from target.store import Script, Store
from target.tokens import REFRESH_LIFETIME_S

_REGISTER = Script("""
local id, email = ARGV[1], ARGV[2]
if not redis.call('SET', 'aia:email:' .. email, id, 'NX') then return 0 end
redis.call('HSET', 'aia:user:' .. id, 'id', id, 'email', email, 'full_name', ARGV[3], 'password', ARGV[4],
  'created_at_ns', ARGV[5])
return 1
""")

_OPEN_SESSION = Script("""
local session, subject, refresh_id, lifetime_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
redis.call('HSET', 'aia:session:' .. session, 'subject', subject, 'refresh', refresh_id)
redis.call('EXPIRE', 'aia:session:' .. session, lifetime_s)
redis.call('SADD', 'aia:sessions:' .. subject, session)
redis.call('EXPIRE', 'aia:sessions:' .. subject, lifetime_s)
return 1
""")

_ROTATE = Script("""
local key = 'aia:session:' .. ARGV[1]
if redis.call('HGET', key, 'refresh') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'refresh', ARGV[3])
redis.call('EXPIRE', key, ARGV[4])
redis.call('EXPIRE', 'aia:sessions:' .. redis.call('HGET', key, 'subject'), ARGV[4])
return 1
""")

_CLOSE_SESSION = Script("""
local subject = redis.call('HGET', 'aia:session:' .. ARGV[1], 'subject')
if subject then redis.call('SREM', 'aia:sessions:' .. subject, ARGV[1]) end
return redis.call('DEL', 'aia:session:' .. ARGV[1])
""")

_ADMIT = Script("""
local session, window = ARGV[1], 'aia:rate:' .. ARGV[2]
if session ~= '' and redis.call('EXISTS', 'aia:session:' .. session) == 0 then return -1 end
local count = redis.call('INCR', window)
if count == 1 then redis.call('EXPIRE', window, 3600) end
return count
""")

_REMOVE = Script(
    LUA_REMOVE_AGENT
    + """
local id = ARGV[1]
for _, agent in ipairs(redis.call('SMEMBERS', 'aia:agents-of:' .. id)) do remove_agent(agent) end
for _, session in ipairs(redis.call('SMEMBERS', 'aia:sessions:' .. id)) do
  redis.call('DEL', 'aia:session:' .. session)
end
close_account('user:' .. id)
local email = redis.call('HGET', 'aia:user:' .. id, 'email')
if email then redis.call('DEL', 'aia:email:' .. email) end
return redis.call('DEL', 'aia:user:' .. id, 'aia:sessions:' .. id, 'aia:agents-of:' .. id)
"""
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user as stored."""

    id: str
    email: str
    full_name: str
    password: str
    created_at_ns: int


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login: `refresh_id` names the only refresh token that is still good."""

    id: str
    subject: str
    refresh_id: str


class Accounts:
    """All of it over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def register(self, *, email: str, full_name: str, password_hash: str) -> Account | None:
        """A new account, or None when the e-mail has one already."""
        account = Account(
            id=secrets.token_hex(8),
            email=email,
            full_name=full_name,
            password=password_hash,
            created_at_ns=time.time_ns(),
        )
        fields = (account.id, email, full_name, password_hash, account.created_at_ns)
        return account if await self._store.integer(_REGISTER, *fields) else None

    async def by_email(self, email: str) -> Account | None:
        """The account of `email`."""
        user_id: str | None = await self._store.command("GET", f"aia:email:{email}")
        return await self.by_id(user_id) if user_id else None

    async def by_id(self, user_id: str) -> Account | None:
        """The account with this id."""
        fields = await self._store.hash(f"aia:user:{user_id}")
        if not fields:
            return None
        return Account(
            id=fields["id"],
            email=fields["email"],
            full_name=fields["full_name"],
            password=fields["password"],
            created_at_ns=int(fields["created_at_ns"]),
        )

    async def remove(self, user_id: str) -> None:
        """Remove a user with all logins and agents; what they hold goes back to the treasury."""
        await self._store.integer(_REMOVE, user_id)

    async def open_session(self, subject: str) -> Session:
        """A new login of `subject` (a user id or `client:ID`)."""
        session = Session(id=secrets.token_hex(12), subject=subject, refresh_id=secrets.token_hex(8))
        await self._store.integer(_OPEN_SESSION, session.id, subject, session.refresh_id, REFRESH_LIFETIME_S)
        return session

    async def rotate(self, session_id: str, *, used_refresh_id: str, subject: str) -> Session | None:
        """The login with its next refresh token; None when the used one was not the latest, or the login is over."""
        session = Session(id=session_id, subject=subject, refresh_id=secrets.token_hex(8))
        rotated = await self._store.integer(
            _ROTATE, session_id, used_refresh_id, session.refresh_id, REFRESH_LIFETIME_S
        )
        return session if rotated else None

    async def close_session(self, session_id: str) -> None:
        """Refuse every token of this login from now on."""
        await self._store.integer(_CLOSE_SESSION, session_id)

    async def admit(self, subject: str, session_id: str = "") -> int | None:
        """Count a request of `subject` in this hour; None when the login is over, else how many there were."""
        hour = int(time.time()) // 3600
        count = await self._store.integer(_ADMIT, session_id, f"{subject}:{hour}")
        return None if count < 0 else count
