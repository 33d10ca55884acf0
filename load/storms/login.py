"""How the user of a test account gets through a storm of expired tokens: refused, refreshed or logged in again.

All of it is load: recorded, with the run's header, in series of the user's own journey.
"""

from locust.exception import RescheduleTask

from journal.plan_storms import Storm
from load.accounts import Account
from load.checks import Expect
from load.http import Request, Session
from load.invariants import EXPIRED_TOKEN_REFUSED
from load.logbook import Logbook
from load.storms.blow import Blow
from load.storms.weather import Weather
from load.websocket import SWITCHING, WebSocketSession

EXPIRED = " (expired token)"
"""Ends the names of series in which a refusal is the right answer."""

_LOGIN, _REFRESH = "/auth/login", "/auth/refresh"
_TOKENS = Expect(200, access_token=str, refresh_token=str)


class AccountLogin:
    """The login of one test account."""

    def __init__(self, account: Account, http: Session, weather: Weather, logbook: Logbook) -> None:
        self._account, self._http, self._weather, self._logbook = account, http, weather, logbook
        weather.renew = self._renew

    def expire(self, storm: Storm) -> bool:
        """The tokens are useless from now on; whether there were any."""
        return self._account.expire(refresh_too=not storm.spares_refresh)

    def restore(self) -> None:
        """The tokens are good again."""
        self._account.restore()

    def _renew(self, blow: Blow, request: Request) -> Request:
        """The request with a good token; one without the useless token goes as it is.

        Raises:
            RescheduleTask: there is no new login yet; the next request tries again.
        """
        if request.parts.get("token") != self._account.access_token:
            return request
        if not blow.noticed:
            self._be_refused(blow, request.method, request.template, request.name, request.parts)
        self.log_in_again()
        return request._replace(parts={**request.parts, "token": self._account.access_token})

    def _be_refused(self, blow: Blow, method: str, template: str, name: str, parts: dict[str, object]) -> None:
        example = f"{self._account.email} was let in by {name} with a token that is none"
        named = {**parts, "name": name + EXPIRED}
        answer = self._http.refused(EXPIRED_TOKEN_REFUSED, method, template, status=401, example=example, **named)
        if not answer.ok:
            raise RescheduleTask
        blow.noticed = True
        blow.refused += answer.status == 401

    def be_refused_by(self, session: WebSocketSession) -> None:
        """A handshake with the useless token, then a new login. Raises RescheduleTask, TargetUnreachable."""
        blow = self._weather.expired
        assert blow is not None
        if not blow.noticed:
            name = session.name + EXPIRED
            status = session.must_be_refused(name, self._account.access_token)
            example = f"{self._account.email} was let in by {name} with a token that is none"
            self._logbook.checked(EXPIRED_TOKEN_REFUSED, violated=status == SWITCHING, example=example)
            blow.noticed = True
            blow.refused += status != SWITCHING
        self.log_in_again()

    def log_in_again(self) -> None:
        """A refresh, where the refresh token is good; else, or when that fails, a login. Raises RescheduleTask."""
        account, blow = self._account, self._weather.expired
        assert blow is not None
        body = {"refresh_token": account.refresh_token}
        if account.refresh_token and not blow.storm.spares_refresh:
            self._be_refused(blow, "POST", _REFRESH, f"POST {_REFRESH}", {"body": body})
            account.refresh_token = ""
        answer = self._http.call("POST", _REFRESH, body=body, expect=_TOKENS) if account.refresh_token else None
        if answer is None or not answer.ok:
            answer = self._http.call("POST", _LOGIN, body=account.credentials, expect=_TOKENS)
        if not answer.ok:
            raise RescheduleTask
        account.logged_in(answer.body)
        self._weather.renewed()
