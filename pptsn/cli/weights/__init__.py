"""The commands of `pptsn weights`."""

from __future__ import annotations

from pptsn.cli.lazy import lazy_app

app = lazy_app(
    {
        "list": (
            "pptsn.cli.weights.list:list_weights",
            "List the published weights, and those that were fetched.",
        ),
        "fetch": ("pptsn.cli.weights.fetch:fetch", "Fetch published weights, or those at an address."),
    },
    help="Fetch published weights and keep them.",
)
