"""A real browser without a window, and what tests ask of the page in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.servers import require_program
from tests.waiting import wait_until

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
)
# Counts, by path, the requests under way and their maximum; each takes at least `slow_ms`.
_WATCH_FETCH = """
const real = window.fetch;
window.underWay = {};
window.mostUnderWay = {};
window.fetched = {};
window.slow_ms = 0;
window.fetch = (address, options) => {
  const path = address.split("?")[0];
  underWay[path] = (underWay[path] ?? 0) + 1;
  fetched[path] = (fetched[path] ?? 0) + 1;
  mostUnderWay[path] = Math.max(mostUnderWay[path] ?? 0, underWay[path]);
  const waited = new Promise((resume) => setTimeout(resume, slow_ms));
  return waited.then(() => real(address, options)).finally(() => underWay[path]--);
};
"""
# A number for what a stream's canvas shows; null before its first picture.
_PICTURE = """
const canvas = [...document.querySelectorAll(".card")][arguments[0]].querySelector("canvas");
if (canvas.dataset.number === undefined) return null;
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
copy.drawImage(canvas, 0, 0);
const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
let hash = 0;
for (const byte of data) hash = (31 * hash + byte) | 0;
return hash;
"""
_BRIGHTNESS = """
const [r, g, b] = getComputedStyle(arguments[0] ? document.querySelector(arguments[0]) : document.body)
  [arguments[1]].match(/[0-9.]+/g).map(Number);
return (r + g + b) / 3;
"""


class Page:
    """A page in the browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Open `url` on a system that prefers light, and wait until the page is connected."""
        self.prefer("light")
        self._driver.get(url)
        self.wait_for("#connection", "Connected")

    def show(self, url: str) -> None:
        """Open `url`, whatever it is."""
        self._driver.get(url)

    def reload(self) -> None:
        self._driver.refresh()

    @property
    def url(self) -> str:
        return self._driver.current_url

    def run(self, script: str, *arguments: object) -> Any:
        return self._driver.execute_script(script, *arguments)

    def later(self, script: str, *arguments: object) -> Any:
        """Return what `script` gives to its last argument, a function, once it calls it."""
        return self._driver.execute_async_script(script, *arguments)

    def text(self, selector: str) -> str:
        """Return the text of the first element that `selector` finds, "" where there is none."""
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def texts(self, selector: str) -> list[str]:
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def wait_for(self, selector: str, text: str) -> None:
        """Return when the first element that `selector` finds contains `text`."""
        wait_until(lambda: text in self.text(selector))

    def click(self, selector: str) -> None:
        self._driver.find_element("css selector", selector).click()

    def picture(self, card: int) -> int | None:
        """Return a hash of the picture that a card shows."""
        return self.run(_PICTURE, card)

    def brightness(self, selector: str = "", *, of: str = "backgroundColor") -> float:
        """Return the mean of a colour's red, green and blue, 0..255."""
        return self.run(_BRIGHTNESS, selector, of)

    def prefer(self, scheme: str) -> None:
        """Be a system that is set to dark or light."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def be_wide(self, width_px: int) -> None:
        size = {"width": width_px, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def complaints(self) -> list[str]:
        """Return what the browser's console has said since the last call: errors and violations of the policy."""
        return [entry["message"] for entry in self._driver.get_log("browser")]


@contextmanager
def chromium() -> Iterator[Page]:
    """Yield a browser; skips where it is not installed, see `require_program`."""
    options = webdriver.ChromeOptions()
    options.binary_location = require_program("chromium")
    service = Service(require_program("chromedriver"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH_FETCH})
            yield Page(driver)
        finally:
            driver.quit()
