"""Serving the documentation portal beside Dagster, on this machine only.

``python -m openchronic_assets.exports.served PORT`` builds the portal where there is none or a
newer build, and serves it until the process that started it ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.exports.portal import build_portal
from openchronic_assets.settings import Home, home


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        super().end_headers()

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        """Say nothing of what a folder holds."""
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: who reads what is nobody's business."""


def server(place: Home, port: int) -> ThreadingHTTPServer:
    """Return a server of the portal on the loopback address; port 0 takes a free one."""
    folder = place.exports / "docs"
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))


def is_old(place: Home) -> bool:
    """Tell whether there is no portal, or a build or report newer than it."""
    entrance = place.exports / "docs" / "index.html"
    if not entrance.is_file():
        return True
    news = [place.pointer, *place.reports.glob("*.html"), *place.release.glob("*/report.json")]
    return any(path.stat().st_mtime > entrance.stat().st_mtime for path in news if path.is_file())


def main(port: int) -> None:
    """Serve the portal of the home until the process above ends."""
    place, above = home(), os.getppid()
    try:
        running = server(place, port)
    except OSError as error:
        print(f"documentation: port {port} cannot be opened ({error.strerror})", file=sys.stderr)
        return
    with running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        while os.getppid() == above:
            if is_old(place):
                try:
                    build_portal(place)
                except OpenChronicError as error:
                    print(f"documentation: {error}", file=sys.stderr)
                    time.sleep(60)
            time.sleep(2)


if __name__ == "__main__":
    main(int(sys.argv[1]))
