"""Nothing but `weights fetch`, and what a user gives an address to, calls anybody."""

from __future__ import annotations

from pathlib import Path

from tools.structure import imported, modules

ROOT = Path(__file__).resolve().parents[3]
CALLERS = ("urllib.request", "http.client", "requests", "httpx", "urllib3", "ftplib", "smtplib")


def test_few_modules_open_addresses_by_itself() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in modules(ROOT).values()
        for name in imported(path, root=ROOT)
        if name.startswith(CALLERS)
    }
    of_users = {
        "runtime/stream/sinks/webhook.py",
        "runtime/stream/sources/network.py",
        "runtime/video/web/exchange.py",
        "runtime/video/web/login.py",
        "runtime/video/web/proxies.py",
    }
    assert {user for user in users if not user.startswith("tools/")} - of_users == {
        "training/downloads/patience.py",
        "training/downloads/transfer.py",
    }
