"""Calls kubectl: a time-out on each call, nothing secret among its arguments, and its complaints in our words."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from gameday.children import spawn_piped
from journal.errors import ClusterUnreachable, CommandError, GamedayError, Problem

REQUEST_S, CALL_S = 15.0, 60.0
_UNREACHABLE = re.compile(
    r"unable to connect to the server|connection to the server|i/o timeout|context deadline exceeded"
    r"|connection refused|no such host|tls handshake timeout|client\.timeout exceeded|eof$|service ?unavailable"
    r"|etcdserver|server is currently unable|net/http: request canceled|http2: |connection reset|no route to host",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl as found on the PATH, pointed at one context."""

    program: str
    context: str | None = None

    @classmethod
    def find(cls, context: str | None = None) -> "Kubectl":
        """Raises CommandError when there is none."""
        program = shutil.which("kubectl")
        if program is None:
            remedy = "install it (https://kubernetes.io/docs/tasks/tools/), or put its folder there"
            raise CommandError([Problem("kubectl", "is not on the PATH", remedy)])
        return cls(program, context)

    def call(self, *arguments: str, stdin: str | None = None, timeout_s: float = CALL_S) -> str:
        """What kubectl prints.

        Raises:
            ClusterUnreachable: the API server did not answer in time.
            CommandError: kubectl, or the cluster, refuses; with its reason.
        """
        command = self._command(arguments, f"--request-timeout={REQUEST_S:.0f}s")
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                start_new_session=True,  # Ctrl-C is ours to handle, not kubectl's in the middle of a change
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterUnreachable(f"kubectl {arguments[0]} was not done after {timeout_s:g} s") from error
        except OSError as error:
            problem = Problem(self.program, f"cannot be run: {error.strerror}")
            raise CommandError([problem]) from error
        if done.returncode != 0:
            raise complaint(arguments[0], done.stderr)
        return done.stdout

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """A command in a container, with pipes to its standard streams; whoever reads them watches over the time.

        To be called from a thread that outlives the process: when it ends, however it does, the process is killed.
        """
        arguments = ("exec", "--stdin", f"--namespace={namespace}", f"--container={container}", pod, "--", *command)
        return spawn_piped(self._command(arguments))

    def _command(self, arguments: Sequence[str], *options: str) -> list[str]:
        context = [f"--context={self.context}"] if self.context else []
        return [self.program, *context, *options, *arguments]


def complaint(verb: str, stderr: str) -> GamedayError:
    """What kubectl said on its way out, as an error of ours."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not _is_noise(line)]
    lines = lines or re.findall(r'"command failed" err="(.*)"', stderr)
    said = "; ".join(dict.fromkeys(_plain(line) for line in lines[-5:])) or "it gave no reason"
    if any(_UNREACHABLE.search(line) for line in lines):
        return ClusterUnreachable(f"the cluster's API server cannot be reached: {said}")
    if "context" in said and "does not exist" in said:
        return CommandError([Problem("--context", said, "see: kubectl config get-contexts")])
    return CommandError([Problem(f"kubectl {verb}", said)])


def _plain(line: str) -> str:
    return re.sub(r"^(error|Error from server \(\w+\)|Error from server): ?", "", line)


def _is_noise(line: str) -> bool:
    """Log lines of kubectl's libraries, and warnings, which are no reasons."""
    return bool(re.match(r"^[EWI]\d{4} |^Warning: ", line))
