"""People who keep AIA's live page open: figures come by themselves each second, and now and then they ask something."""

from locust import task

from load.journey import Expect, Journey, flow

AGENTS = "/mas/api/v1/agents"
PAGE = AGENTS + "/ws/frontend/{client_id}"
LOOKS = 5


class LivePage(Journey):
    """One visit to the page per pass."""

    weight = 1
    runs_unasked = False  # such users wait most of the time; whoever wants them says how many

    @task
    @flow(
        {"WS " + PAGE: 1, "WS metrics_update": LOOKS, "WS ping": LOOKS, "GET " + AGENTS: 1},
        thinks=LOOKS,
        waiting_s=2.8,
    )
    def watch(self) -> None:
        """Open the page, look who works here, see the figures change, and be told that the page is alive."""
        with self.websocket(PAGE, client_id=self.account.email.partition("@")[0]) as page:
            self.get(AGENTS, expect=Expect(200, agents=list, total=int))
            for _ in range(LOOKS):
                page.expect("metrics_update", within_s=5.0)
                self.think()
                page.ping(f"{self.random.random():.6f}")
