"""The token ledger: one hash in Valkey whose fields always add up to the total supply.

Fields: `treasury`, `staked`, and one per account (`agent:ID`, `user:ID`). Every change is a transfer inside one script.
"""

from dataclasses import dataclass

from typing_extensions import TypedDict

from target.store import LEDGER, Script, Store, to_json

TOTAL_SUPPLY = 1_000_000_000

LUA = """
local LEDGER = 'aia:ledger'
local function held(field) return tonumber(redis.call('HGET', LEDGER, field) or 0) end
local function move(from, to, amount)
  redis.call('HINCRBY', LEDGER, from, -amount)
  redis.call('HINCRBY', LEDGER, to, amount)
end
local function close_account(account)
  move(account, 'treasury', held(account))
  redis.call('HDEL', LEDGER, account)
end
-- `created` is the planted defect: tokens from nowhere.
local function pay(account, amount, created)
  move('treasury', account, math.min(amount, held('treasury')))
  if created ~= 0 then redis.call('HINCRBY', LEDGER, account, created) end
end
"""
"""Functions for every script that moves tokens."""

_OPEN = Script("""
return redis.call('HSETNX', 'aia:ledger', 'treasury', ARGV[1])
""")

_DISTRIBUTE = Script(
    LUA
    + """
local amount, created, accounts = tonumber(ARGV[1]), tonumber(ARGV[2]), cjson.decode(ARGV[3])
for _, account in ipairs(accounts) do
  local agent = string.match(account, '^agent:(.*)$')
  if agent and redis.call('EXISTS', 'aia:agent:' .. agent) == 0 then return cjson.encode({unknown_agent = agent}) end
end
if amount > held('treasury') then return cjson.encode({treasury = held('treasury')}) end
local recipients, each = {}, math.floor(amount / #accounts)
for index, account in ipairs(accounts) do
  local part = each + (index <= amount % #accounts and 1 or 0)
  pay(account, part, index == 1 and created or 0)
  recipients[account] = part
end
return cjson.encode({treasury = held('treasury'), recipients = recipients})
"""
)


class Summary(TypedDict):
    """Who holds what, at one moment."""

    total_supply: int
    treasury: int
    staked: int
    balances: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What came of a distribution; `recipients` is None when nothing was moved, for want of an agent or of tokens."""

    treasury: int = 0
    recipients: dict[str, int] | None = None
    unknown_agent: str | None = None


class Ledger:
    """Reads the ledger, and distributes tokens of the treasury."""

    def __init__(self, store: Store, *, created_tokens: int = 0) -> None:
        self._store = store
        self._created_tokens = created_tokens

    async def open(self) -> None:
        """Put the whole supply into the treasury, once in the life of the store."""
        await self._store.integer(_OPEN, TOTAL_SUPPLY)

    async def summary(self) -> Summary:
        """All holdings, read at one moment."""
        amounts = {field: int(amount) for field, amount in (await self._store.hash(LEDGER)).items()}
        treasury, staked = amounts.pop("treasury", 0), amounts.pop("staked", 0)
        return Summary(total_supply=TOTAL_SUPPLY, treasury=treasury, staked=staked, balances=amounts)

    async def distribute(self, amount: int, accounts: list[str]) -> Distribution:
        """Pay `amount` out of the treasury to `accounts`, in parts that differ by one token at most."""
        return await self._store.document(_DISTRIBUTE, Distribution, amount, self._created_tokens, to_json(accounts))
