"""The page for phones: in a real browser, headless, and by hand where browsers are too polite."""

import asyncio
import json
import shutil
import socket
import threading
import time

import aiohttp
import numpy as np
import pytest
from screen import wait_for

from visualizer.common.addresses import Address
from visualizer.common.errors import UserError
from visualizer.control.desk import Desk, Facts
from visualizer.control.page import server
from visualizer.control.page.server import PHONES, Page
from visualizer.control.page.telling import SECTIONS, SHOWN

PRESETS = ("aurora", "mandala", "reef")
CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Show:
    """A desk whose frames a thread takes, and a page to it."""

    def __init__(self, host="127.0.0.1"):
        self.desk = Desk()
        self.desk.options["preset"] = PRESETS
        self.desk.settled("preset", "aurora")
        self.desk.facts = Facts(59.9, -20.0, "listening to the mixer", "Aurora")
        rng = np.random.default_rng(0)
        self.desk.stills = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in PRESETS]
        self.page = Page(self.desk, Address(host, 0))
        self.ended = threading.Event()
        self.turned = []
        self.thread = threading.Thread(target=self.frames)
        self.thread.start()
        self.page.start()

    def frames(self):
        while not self.ended.wait(1 / 60):
            for turn in self.desk.take():
                self.turned.append((turn.control.name, turn.value))
                self.desk.settled(turn.control.name, turn.value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.stop()
        self.ended.set()
        self.thread.join()
        assert self.page.errors == 0


@pytest.fixture(scope="module")
def show():
    with Show() as show:
        yield show


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("there is no Chromium (Debian: apt install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def open_page(browser, show, width=360):
    """On a phone so many pixels wide."""
    metrics = {"width": width, "height": 780, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(show.page.url)
    wait_for(lambda: browser.execute_script("return !document.getElementById('main').hidden"), 60)


def slide(browser, name, share):
    """As a finger does."""
    script = "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
    script += "s.dispatchEvent(new Event('input', {bubbles: true}));"
    browser.execute_script(script, f"value-{name}", 1000 * share)


def test_a_phone_plays_the_show_and_another_stays_in_step(show, browser):
    from selenium.webdriver.common.by import By

    find = browser.find_element
    open_page(browser, show)
    first = browser.current_window_handle
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    wait_for(lambda: find(By.ID, "title").text == "Aurora", 20)
    wait_for(lambda: "60 frames" in find(By.ID, "facts").text and "-20 dB" in find(By.ID, "facts").text, 20)
    buttons = browser.find_elements(By.CSS_SELECTOR, "#presets button")
    assert [button.text for button in buttons] == list(PRESETS)
    loaded = (
        "return [...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length"
    )
    assert wait_for(lambda: browser.execute_script(loaded), 20) == len(PRESETS)

    slider = find(By.ID, "value-saturation")  # stands where the control does
    assert slider.get_attribute("value") == "500" and slider.get_attribute("aria-valuetext") == "1.00"
    headings = [heading.text for heading in browser.find_elements(By.TAG_NAME, "h2")]
    assert headings == list(SECTIONS)

    buttons[1].click()
    wait_for(lambda: show.desk.values["preset"] == "mandala", 20)
    wait_for(lambda: buttons[1].get_attribute("aria-pressed") == "true", 20)
    slide(browser, "bounce", 0.5)
    wait_for(lambda: show.desk.values["bounce"] == 0.45, 20)
    find(By.ID, "blackout").click()
    wait_for(lambda: show.desk.values["blackout"] is True, 20)

    browser.switch_to.new_window("window")
    open_page(browser, show)
    assert find(By.ID, "blackout").get_attribute("aria-checked") == "true"
    assert find(By.CSS_SELECTOR, "output[for=value-bounce]").text == "0.45"
    slide(browser, "zoom", 1.0)
    wait_for(lambda: show.desk.values["zoom"] == 2.0, 20)
    show.desk.settled("mapping", "random")  # as a key does
    wait_for(lambda: find(By.ID, "choice-mapping").get_attribute("value") == "random", 20)
    assert show.page.phones == 2
    browser.close()
    browser.switch_to.window(first)
    wait_for(lambda: find(By.CSS_SELECTOR, "output[for=value-zoom]").text == "2.00", 20)
    wait_for(lambda: show.page.phones == 1, 20)


def test_by_keyboard_and_with_a_screen_reader(show, browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    open_page(browser, show)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree if not n["ignored"]]
    roles = {"button": "trigger", "slider": "value", "switch": "switch"}
    roles |= {"combobox": "choice", "textbox": "text"}
    for role, kind in roles.items():
        names = {name for r, name in named if role in r.lower()}
        wanted = {c.name.replace("_", " ").capitalize() for c in SHOWN if type(c).__name__.lower() == kind}
        assert wanted - {"Preset"} <= names, (role, names)
    assert not [role for role, name in named if role in roles and not name]

    def focus():
        return browser.execute_script("const e = document.activeElement; return e.id || e.textContent")

    def press(*keys):
        ActionChains(browser).send_keys(*keys).perform()

    before = show.desk.values["blackout"]
    press(Keys.TAB, Keys.SPACE)
    assert focus() == "blackout"
    wait_for(lambda: show.desk.values["blackout"] is not before, 20)
    press(Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER)
    wait_for(lambda: show.desk.values["preset"] == "reef", 20)
    wait_for(lambda: focus() == "value-brightness" or press(Keys.TAB), 20)
    browser.find_element(By.ID, "words-title").send_keys("Grüße 春", Keys.ENTER)
    wait_for(lambda: show.desk.values["title"] == "Grüße 春", 20)
    browser.find_element(By.ID, "value-brightness").send_keys("")
    level = show.desk.values["brightness"]
    press(*[Keys.ARROW_LEFT] * 5)
    wait_for(lambda: show.desk.values["brightness"] < level, 20)


# --- what browsers don't do -----------------------------------------------------------------------


def ask(url, path="", **headers):
    """(status, body, headers) of a request."""

    async def fetch():
        from yarl import URL

        where = URL(url + path, encoded=True)
        async with aiohttp.ClientSession() as session, session.get(where, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    return asyncio.run(fetch())


def test_nothing_else_is_served_and_nobody_else_may_ask(show):
    url = show.page.url
    status, body, headers = ask(url)
    assert status == 200 and b"<h1" in body and "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert ask(url, "still-0")[1][:2] == bytes([0xFF, 0xD8])
    for path in ("page.html", "server.py", "..%2fserver.py", "%2e%2e/", "still-9", "still--1", "x/", "live/"):
        assert ask(url, path)[0] == 404, path
    port = show.page.address.port
    for headers in (
        {"Host": f"evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:x"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert ask(url, "live", **headers)[0] == 403, headers
    assert ask(url, Host=f"localhost:{port}")[0] == 200
    with pytest.raises(UserError, match="can't listen there"):
        Page(show.desk, show.page.address)
    assert Page(show.desk, show.page.address, fixed=False).address.port != port


def test_elsewhere_only_with_the_token():
    with Show("0.0.0.0") as show:
        token = show.page.url.rstrip("/").rpartition("/")[2]
        root = f"http://127.0.0.1:{show.page.address.port}/"
        assert len(token) > 20
        wait_for(lambda: ask(root, f"{token}/")[0] == 200, 20)
        assert ask(root, f"{token}/page.js")[0] == 200
        for path in ("", "page.js", "live", token, f"{token[:-1]}x/", f"x/{token}/"):
            assert ask(root, path)[0] == 404, path


def test_orders_that_are_none_floods_and_stuck_phones_do_no_harm(monkeypatch):
    with Show() as show:
        misbehave_at(show, monkeypatch)


def misbehave_at(show, monkeypatch):
    monkeypatch.setattr(server, "STUCK_S", 0.5)
    url = show.page.url
    good = {"control": "hue", "verb": "set", "amount": 1}
    bad = [
        "",
        "{",
        "[]",
        "7",
        '"x"',
        "null",
        "[" * 400,
        '{"verb": "set"}',
        '{"control": ["zoom"], "verb": "set"}',
    ]
    for change in (
        {"control": "quit"},
        {"control": ["zoom"]},
        {"verb": "zoom"},
        {"amount": {"a": 1}},
        {"amount": float("nan")},
        {"amount": "much"},
        {"control": "preset", "amount": "zebra"},
    ):
        bad.append(json.dumps(good | change))

    async def misbehave():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url + "live") as phone:
                assert "controls" in json.loads((await phone.receive()).data)
                refused = show.page.refused
                for text in bad:
                    await phone.send_str(text)
                while show.page.refused < refused + len(bad):
                    await asyncio.sleep(0.02)
                assert show.page.refused == refused + len(bad)
                show.turned.clear()
                for i in range(2000):
                    await phone.send_str(json.dumps(good | {"amount": i % 7}))
                while show.page.refused < refused + len(bad) + 1000:
                    await asyncio.sleep(0.02)
                await phone.send_str("x" * 2000)  # too long: the conversation ends
                while (await phone.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
            phones = [await session.ws_connect(url + "live") for _ in range(PHONES)]
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url + "live")
            for phone in phones:
                await phone.close()

    asyncio.run(asyncio.wait_for(misbehave(), 60))
    assert 0 < len(show.turned) < 1000 and {name for name, _ in show.turned} == {"hue"}
    wait_for(lambda: show.page.phones == 0, 20)
    with socket.create_connection(show.page.address) as stuck:  # asks for all and never reads it
        stuck.sendall(
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{show.page.address.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        wait_for(lambda: show.page.phones == 1, 20)
        begun = time.monotonic()
        assert ask(url)[0] == 200 and time.monotonic() - begun < 5  # others go on
    assert show.page.errors == 0
