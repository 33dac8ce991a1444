"""Listening sockets of processes, read from /proc."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_LISTENING = "0A"
_SESSION = 3
"""Index of the session id after the process name in /proc/PID/stat."""


@dataclass(frozen=True)
class Listening:
    """A TCP socket that takes connections."""

    pid: int
    address: str
    port: int


def listening(sessions: Collection[int]) -> list[Listening]:
    """Return the sockets of all processes in those sessions, each with the pid that has it."""
    owners = {inode: pid for pid in _pids() if _session(pid) in sessions for inode in _sockets(pid)}
    return [
        Listening(owners[inode], address, port)
        for inode, address, port in _table()
        if inode in owners
    ]


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _session(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[_SESSION])


def _sockets(pid: int) -> Iterator[str]:
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                target = str(handle.readlink())
                if target.startswith("socket:["):
                    yield target.removeprefix("socket:[").removesuffix("]")


def _table() -> Iterator[tuple[str, str, int]]:
    """Yield inode, address and port of every listening socket of this machine."""
    for name in ("tcp", "tcp6"):
        path = Path(f"/proc/net/{name}")
        if not path.exists():
            continue
        for row in path.read_text(encoding="ascii").splitlines()[1:]:
            fields = row.split()
            if fields[3] == _LISTENING:
                address, _, port = fields[1].partition(":")
                yield fields[9], _address(address), int(port, 16)


def _address(text: str) -> str:
    """Return the address in the kernel's form: words of four bytes, in the machine's own order."""
    raw = bytes.fromhex(text)
    data = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    if len(data) == len(IPv4Address(0).packed):
        return str(IPv4Address(data))
    address = IPv6Address(data)
    return str(address.ipv4_mapped or address)
