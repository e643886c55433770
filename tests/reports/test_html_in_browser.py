"""The HTML report in a real browser: layout, accessibility, policy, print, no scripts."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from unicodedata import normalize

import pytest

from qvl_reports.html import render

from . import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WIDE, PHONE = 1200, 360
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "these tests need {what}: install Debian's packages 'chromium' and 'chromium-driver' and this "
    "project's extra 'test', or set QVL_NO_BROWSER=1 to leave the browser out knowingly"
)
SILENT = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
          "--disable-background-networking", "--disable-component-update",
          "--disable-dev-shm-usage", "--hide-scrollbars")  # fmt: skip


class Browser:
    """Chromium with the few commands that these tests give it."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = program(*BROWSERS)
        for flag in (*SILENT, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(program("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def dress(
        self, width: int = WIDE, scheme: str = "light", media: str = "", scripts: bool = True
    ) -> None:
        """Set the screen, the colour scheme, the medium, and whether scripts run."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **screen)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", media=media, features=[feature])
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, address: str) -> None:
        """Load afresh, also when only the fragment differs."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(address)

    def requests(self) -> set[str]:
        """What the page asked for since it was opened, itself included."""
        events = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        return {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


def program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(MISSING.format(what=names[0]))
    return found


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    if os.environ.get("QVL_NO_BROWSER") == "1":
        pytest.skip("QVL_NO_BROWSER=1: the HTML report was not tested in a browser")
    try:
        import axe_core_python  # noqa: F401
        import pypdf  # noqa: F401
        import selenium  # noqa: F401
    except ImportError as error:
        pytest.fail(MISSING.format(what=error.name))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        yield browser
        browser.driver.quit()


@pytest.fixture
def browser(started: Browser) -> Browser:
    started.dress()
    return started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Address by name of the sample."""
    folder = tmp_path_factory.mktemp("pages")
    reports = {
        "problems": sample.problems(),
        "all-well": sample.all_well(),
        "nothing-known": sample.nothing_known(),
        "long-words": sample.hostile("x" * 400, 1.0),
    }
    addresses = {}
    for name, report in reports.items():
        path = folder / f"{name}.html"
        path.write_text(render(report), encoding="utf-8")
        addresses[name] = path.as_uri()
    return addresses


def open_everything(browser: Browser) -> None:
    browser.run("document.querySelectorAll('details').forEach(box => { box.open = true })")


@pytest.mark.parametrize("name", ["problems", "all-well", "nothing-known", "long-words"])
@pytest.mark.parametrize("width", [320, PHONE, 800, WIDE])
def test_the_page_never_scrolls_sideways(
    browser: Browser, pages: dict[str, str], name: str, width: int
) -> None:
    browser.dress(width)
    browser.open(pages[name])
    open_everything(browser)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.body.scrollWidth") <= width


@pytest.mark.parametrize("name", ["problems", "long-words"])
def test_nothing_is_requested_and_nothing_complains(
    browser: Browser, pages: dict[str, str], name: str
) -> None:
    browser.open(pages[name])
    open_everything(browser)
    assert {url for url in browser.requests() if not url.startswith("data:,")} <= {
        pages[name],
        "about:blank",
    }
    assert browser.complaints() == []


class Listener(BaseHTTPRequestHandler):
    """Remembers what was asked for."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


def test_the_policy_stops_what_escaping_would_have_let_through(
    browser: Browser, tmp_path: Path
) -> None:
    """Even if untrusted markup got into the page, it could neither run nor call home."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{server.server_port}"
    injected = (
        f'<main id="main" tabindex="-1"><img src="{host}/img"><script src="{host}/js"></script>'
        f'<link rel="stylesheet" href="{host}/css"><script>document.title = "owned"</script>'
        f'<iframe src="{host}/frame"></iframe><img src="x:" onerror="document.title=\'owned\'">'
    )
    text = render(sample.problems()).replace('<main id="main" tabindex="-1">', injected)
    assert injected in text
    path = tmp_path / "injected.html"
    path.write_text(text, encoding="utf-8")
    try:
        browser.open(path.as_uri())
        browser.run("return 1")
        assert browser.driver.title == "Problems · qvl-doctor report"
        assert Listener.heard == []
        assert any("Content Security Policy" in one for one in browser.complaints())
        browser.driver.get(host + "/alive")
        assert "/alive" in Listener.heard
    finally:
        server.shutdown()


AXE = "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"


@pytest.mark.parametrize("name", ["problems", "all-well", "nothing-known"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_accessibility_with_contrast(
    browser: Browser, pages: dict[str, str], name: str, scheme: str, width: int
) -> None:
    import axe_core_python

    browser.dress(width, scheme)
    browser.open(pages[name])
    open_everything(browser)
    script = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    browser.run(script)
    result = browser.driver.execute_async_script(AXE)
    found = [
        (one["id"], [node["target"] for node in one["nodes"]][:3]) for one in result["violations"]
    ]
    assert found == []
    checked = {one["id"] for one in result["passes"]}
    assert {"color-contrast", "html-has-lang", "document-title", "heading-order"} <= checked


def test_dark_and_light_differ(browser: Browser, pages: dict[str, str]) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        browser.dress(scheme=scheme)
        browser.open(pages["problems"])
        grounds[scheme] = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(253, 252, 250)", "dark": "rgb(21, 21, 20)"}


def test_without_scripts_everything_is_there(browser: Browser, pages: dict[str, str]) -> None:
    browser.open(pages["problems"])
    assert browser.run("return document.querySelectorAll('.copy button').length") > 0
    browser.dress(scripts=False)
    browser.open(pages["problems"])
    assert browser.run("return document.querySelectorAll('button').length") == 0
    text = browser.run("return document.body.innerText")
    for expected in (
        "4 checks failed, from 3 causes",
        'attn_implementation="sdpa"',
        "flash_attn cannot be imported",
        "checks do not apply here",
        "Evidence",
        "6 checks found nothing wrong",
    ):
        assert expected in text
    assert browser.run("return document.querySelectorAll('svg.wide path.line').length") == 3


@pytest.mark.parametrize("scripts", [True, False])
def test_a_deep_link_arrives_even_in_a_closed_section(
    browser: Browser, pages: dict[str, str], scripts: bool
) -> None:
    for rule in (
        "memory.device-0-out-of-memory",
        "checkpoint.awq-garbled",
        "images.pixel-limit-ignored",
    ):
        browser.dress(scripts=scripts)
        browser.open(f"{pages['problems']}#{rule}")
        place = browser.run(
            f"const box = document.getElementById({rule!r}).getBoundingClientRect();"
            "return [box.top, box.height]"
        )
        assert place[1] > 0, rule
        assert -1 <= place[0] < 800, rule


@pytest.mark.parametrize("scripts", [True, False])
def test_print_opens_every_section(browser: Browser, pages: dict[str, str], scripts: bool) -> None:
    from pypdf import PdfReader

    browser.dress(scripts=scripts)
    browser.open(pages["problems"])
    assert not browser.run("return document.querySelector('#passed details').open")
    data = browser.command("Page.printToPDF", printBackground=True)["data"]
    printed = PdfReader(io.BytesIO(base64.b64decode(data)))
    text = normalize("NFKC", "".join(page.extract_text() for page in printed.pages))
    for expected in (
        "max_pixels is respected",
        "NVIDIA GeForce RTX 4090",
        "no checkpoint was named with --model",
        "0.0021 0.0019",
        "Fatal Python error",
    ):
        assert "".join(expected.split()) in "".join(text.split()), expected


def test_paper_is_white_and_has_no_buttons(browser: Browser, pages: dict[str, str]) -> None:
    browser.dress(scheme="dark", media="print")
    browser.open(pages["problems"])
    assert (
        browser.run("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    visible = (
        "return [...document.querySelectorAll('nav, button')]"
        ".filter(one => one.checkVisibility()).length"
    )
    assert browser.run(visible) == 0


def press(browser: Browser, key: str) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        code = {"Tab": 9, "Enter": 13}[key]
        browser.command(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
        )


def test_the_keyboard_finds_the_skip_link_first_and_focus_is_visible(
    browser: Browser, pages: dict[str, str]
) -> None:
    browser.open(pages["problems"])
    press(browser, "Tab")
    active = "const one = document.activeElement; const box = one.getBoundingClientRect();"
    assert browser.run(active + "return [one.textContent, box.top >= 0]") == [
        "Skip to the verdict",
        True,
    ]
    press(browser, "Tab")
    outline = browser.run(active + "return getComputedStyle(one).outlineStyle + one.textContent")
    assert outline == "solidCauses"


def test_what_scrolls_can_be_reached_by_keyboard(browser: Browser, pages: dict[str, str]) -> None:
    browser.dress(PHONE)
    browser.open(pages["problems"])
    open_everything(browser)
    unreachable = browser.run(
        "return [...document.querySelectorAll('*')].filter(one =>"
        " one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'auto'"
        " && one.tabIndex < 0).map(one => one.outerHTML.slice(0, 80))"
    )
    assert unreachable == []


def test_copying_tells_that_it_was_done(browser: Browser, pages: dict[str, str]) -> None:
    browser.open(pages["problems"])
    browser.run("document.querySelector('.copy button').click()")
    from selenium.webdriver.support.ui import WebDriverWait

    done = "return document.querySelector('.copy button').textContent"
    WebDriverWait(browser.driver, 5).until(lambda _: browser.run(done) in ("Copied", "Selected"))


@pytest.mark.parametrize("width", [PHONE, WIDE])
def test_one_drawing_of_each_chart_is_shown_and_its_text_can_be_read(
    browser: Browser, pages: dict[str, str], width: int
) -> None:
    browser.dress(width)
    browser.open(pages["problems"])
    shown = browser.run(
        "return [...document.querySelectorAll('figure')].map(figure =>"
        " [...figure.querySelectorAll('svg')].filter(one => one.checkVisibility()).map(svg =>"
        " Math.min(...[...svg.querySelectorAll('text')]"
        ".map(text => text.getBoundingClientRect().height))))"
    )
    assert [len(drawings) for drawings in shown] == [1, 1]
    assert all(height >= 11 for drawings in shown for height in drawings)
