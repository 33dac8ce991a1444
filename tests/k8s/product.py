"""The product as the chart runs it, as the end-to-end tests know it."""

import base64
import json
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import httpx
from typing_extensions import override

from stack.command import CommandError
from stack.servers.deadline import wait_until
from tests.e2e.product import Product
from tests.k8s.cluster import Cluster, Object, ends
from tests.k8s.command import ProgramError
from tests.k8s.images import SERVICES
from tests.k8s.place import Place
from tests.k8s.release import NAME
from tests.support.log_lines import error_lines
from tests.support.metrics import metric_in

_REPLICAS = 2
_SERVE_SECONDS = 120
_PROBES = (
    "/api/auth/v1/login",
    "/api/rooms/v1/rooms",
    "/api/history/v1/rooms/x/messages",
    "/api/gateway/v1/rooms/x/presence",
)
METRICS = (
    "from urllib.request import urlopen;"
    " print(urlopen('http://127.0.0.1:8000/metrics').read().decode())"
)
"""Python that prints the metrics of the pod that it runs in."""
# The pods share the process namespace of their containers while these tests run, so that the
# service is not process 1, which ignores signals from inside.
_SIGNAL = """
import os, sys
me = os.getuid()
for entry in os.listdir("/proc"):
    if entry.isdigit() and int(entry) not in (1, os.getpid()):
        if os.stat("/proc/" + entry).st_uid == me:
            os.kill(int(entry), int(sys.argv[1]))
"""
_SIGKILL, _SIGSTOP, _SIGCONT = "9", "19", "18"


class Kubernetes(Product):
    """The release in the cluster; its services are killed and started, its servers stay."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.cluster = Cluster(place.namespace)
        self.known_ca: Path | None = None
        """The CA, where it is not in the Secret."""
        self._settings: tuple[str, ...] = ()
        self._ended_logs: list[str] = []

    @property
    @override
    def url(self) -> str:
        return self.place.url

    @property
    @override
    def ws_url(self) -> str:
        return f"wss{self.place.url.removeprefix('https')}/ws"

    @property
    def ca(self) -> Path:
        """The CA of its certificate, by default from the Secret that the chart created."""
        if self.known_ca is not None:
            return self.known_ca
        path = self.place.folder / "ca.pem"
        (secret,) = self.cluster.get("secret", f"{of(NAME)},{component('web')}")
        path.write_bytes(base64.b64decode(secret["data"]["ca.crt"]))
        return path

    def share_processes(self, *, shared: bool) -> None:
        """Let pods share the process namespace of their containers, or not; return when they do."""
        template = {"spec": {"shareProcessNamespace": shared}}
        text = json.dumps({"spec": {"template": template}})
        for name in self.deployments():
            self.cluster.kubectl("patch", "deployment", name, "--patch", text)
        self.await_ready()

    @override
    def kill(self) -> None:
        """Kill the processes; they are frozen first, so that none is asked to stop."""
        self._ended_logs.append(self._logs())
        pods = self.pods()
        self._signal(_SIGSTOP, pods)
        # No container of a pod that is being deleted is started again.
        self.cluster.scale(self.deployments(), 0)
        # The signal also ends the command that sends it.
        with suppress(ProgramError):
            self._signal(_SIGKILL, pods)

    @override
    def launch(self, **settings: str) -> None:
        given = [f"{name}={value}" for name, value in settings.items()]
        dropped = [f"{name}-" for name in self._settings if name not in settings]
        self._settings = tuple(settings)
        if given or dropped:
            names = [f"deployment/{name}" for name in self.deployments()]
            self.cluster.kubectl("set", "env", *names, *given, *dropped)
        self.cluster.scale(self.deployments(), _REPLICAS)
        self.await_ready()

    @override
    def pause(self) -> None:
        self._signal(_SIGSTOP, self.pods())

    @override
    def resume(self) -> None:
        self._signal(_SIGCONT, self.pods())

    @override
    def operate(self, *arguments: str) -> str:
        (auth,) = self.deployments(("auth",))
        try:
            return self._exec(f"deployment/{auth}", "madang-auth", *arguments)
        except ProgramError as error:
            raise CommandError(str(error)) from error

    @override
    def metric(self, name: str) -> float:
        pages = self.in_each(self.pods("gateway"), "python", "-c", METRICS)
        return sum(metric_in(page, name) for page in pages)

    @override
    def errors(self) -> list[str]:
        return [line for log in (*self._ended_logs, self._logs()) for line in error_lines(log)]

    def deployments(self, services: Sequence[str] = SERVICES) -> list[str]:
        """Return the names of the Deployments of these services."""
        return [f"{NAME}-{service}" for service in services]

    def pods(self, *services: str) -> list[str]:
        """Return the names of the running pods of these services, of all if none is named."""
        return sorted(str(pod["metadata"]["name"]) for pod in self.running(*services))

    def running(self, *services: str) -> list[Object]:
        """Return the running pods of these services, of all if none is named."""
        listed = self.cluster.get("pods", ours(services or SERVICES))
        return [pod for pod in listed if pod["status"]["phase"] == "Running" and not ends(pod)]

    def await_ready(self) -> None:
        """Return when Deployments are rolled out and every route serves; old pods may end later."""
        self.cluster.await_rollout(*(f"deployment/{name}" for name in self.deployments()))
        if not wait_until(self._serves, seconds=_SERVE_SECONDS):
            raise TimeoutError(f"{self.url} does not serve within {_SERVE_SECONDS} s")

    def in_each(self, pods: Sequence[str], *command: str) -> list[str]:
        """Run a command in each pod and return the outputs."""
        with ThreadPoolExecutor(max(1, len(pods))) as pool:
            return list(pool.map(lambda pod: self._exec(pod, *command), pods))

    def _serves(self) -> bool:
        try:
            trust = ssl.create_default_context(cafile=self.ca)
            with httpx.Client(base_url=self.url, verify=trust, timeout=5) as client:
                return all(client.get(path).status_code < 500 for path in _PROBES)
        except httpx.HTTPError:
            time.sleep(0.2)
            return False

    def _signal(self, number: str, pods: Sequence[str]) -> None:
        self.in_each(pods, "python", "-c", _SIGNAL, number)

    def _exec(self, target: str, *command: str) -> str:
        return self.cluster.kubectl("exec", target, "--", *command)

    def _logs(self) -> str:
        options = ("--all-containers", "--tail=-1", "--max-log-requests=64", "--ignore-errors")
        return self.cluster.kubectl("logs", "--selector", ours(), *options)


def of(release: str) -> str:
    """Return the selector of the objects of a release."""
    return f"app.kubernetes.io/instance={release}"


def component(*names: str) -> str:
    """Return the selector of objects of these components."""
    return f"app.kubernetes.io/component in ({','.join(names)})"


def ours(services: Sequence[str] = SERVICES) -> str:
    """Return the selector of the objects of these services."""
    return f"{of(NAME)},{component(*services)}"


@cache
def kubernetes() -> Kubernetes:
    """Return the product in the cluster of this process."""
    return Kubernetes(Place.from_environment())
