"""Notices: to a server of this machine, which answers as it is told."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import orch
from orch.compat import DiscordNotifier

SECRET = "s3cr3t-t0k3n"


class Server:
    """Answers 204, or what is asked of it first; keeps what it was sent."""

    def __init__(self):
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.heard: list[dict] = []
        self.paths: list[str] = []
        self.says: dict[str, dict] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers = outer.answers.pop(0) if outer.answers else (204, {})
                said = json.dumps(outer.says.get(self.path, "")).encode()
                if status < 300:
                    outer.heard.append(body)
                    status = 200 if self.path in outer.says else status
                outer.paths.append(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0" if status == 204 else str(len(said)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # So that closing it waits for what it is answering.
        self.server.daemon_threads = False
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/{SECRET}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server():
    it = Server()
    yield it
    it.close()


@pytest.fixture(autouse=True)
def nobody_is_told_by_accident(monkeypatch):
    for name in ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "ORCH_WEBHOOK_URL", "ORCH_WEBHOOK_LOCAL"):
        monkeypatch.delenv(name, raising=False)


def test_a_notice_is_told_to_each_target_in_its_form(server, tmp_path):
    notices = orch.Notices(tmp_path / "s.db", discord=server.url, slack=server.url, webhook=server.url, local=True)
    done = notices.send("Hello", description="there", fields={"Count": "1"}, key="hello")
    assert done == orch.Delivery(3, 0, 0, None)
    discord, slack, webhook = sorted(server.heard, key=lambda body: ("embeds" not in body, "attachments" not in body))
    assert (discord["embeds"][0]["title"], discord["embeds"][0]["fields"][0]["value"]) == ("Hello", "1")
    assert (slack["attachments"][0]["text"], webhook["title"], webhook["version"]) == ("there", "Hello", 1)
    assert notices.send("Hello", key="hello") == orch.Delivery(0, 0, 0, None), "told once"
    assert sorted((letter.target, letter.state) for letter in notices.list()) == [
        ("discord", "sent"),
        ("slack", "sent"),
        ("webhook", "sent"),
    ]


def test_a_busy_server_is_waited_for_and_an_impatient_caller_comes_again(server, tmp_path):
    notices = orch.Notices(tmp_path / "s.db", webhook=server.url, local=True)
    server.answers = [(429, {"Retry-After": "0.05"}), (503, {"Retry-After": "0.05"})]
    assert notices.send("one") == orch.Delivery(1, 0, 0, None)
    server.answers = [(429, {"Retry-After": "3600"})]
    done = notices.send("two", key="two")
    assert (done.sent, done.later, done.why) == (0, 1, "webhook: it answered 429")
    assert [letter.state for letter in notices.list(1)] == ["waiting"]
    assert len(server.heard) == 1


def test_a_milestone_is_posted_once_whoever_notices_it(server, tmp_path):
    path = tmp_path / "s.db"
    for first in (1, 0):
        notices = orch.Notices(path, webhook=server.url, local=True)
        told = notices.milestone("month", "2026-02", 5, spent="5.004", of=15, executions=160)
        assert told == first
    notices.deliver()
    (body,) = server.heard
    assert body["title"] == "🚀 $5 Milestone Reached!"
    assert body["fields"][-1]["value"] == "[██████░░░░░░░░░░░░░░] 33.4%"


def everything(*things):
    return " ".join(f"{thing} {thing!r} {getattr(thing, '__dict__', '')}" for thing in things)


def test_the_address_is_told_nowhere(server, tmp_path, monkeypatch, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    bad = [
        f"http://example.org/{SECRET}",
        f"not a url {SECRET}",
        f"https://me:{SECRET}@example.org/",
        f"file:///{SECRET}",
    ]
    for address in bad:
        with pytest.raises(orch.InvalidValue) as raised:
            orch.Notices(webhook=address)
        assert SECRET not in everything(raised.value)
        with pytest.raises(orch.InvalidValue) as raised:
            DiscordNotifier(address)
        assert SECRET not in everything(raised.value)
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", f"https://example.org/{SECRET}")
    with pytest.raises(orch.InvalidValue) as raised:
        orch.Notices()
    assert SECRET not in everything(raised.value)
    notices = orch.Notices(tmp_path / "s.db", webhook=server.url, local=True)
    server.answers = [(400, {})]
    done = notices.send("x")
    assert (done.dropped, done.why) == (1, "webhook: it answered 400")
    server.close()
    dead = notices.send("y", patience=0)
    assert (dead.later, SECRET in str(dead.why)) == (1, False)
    monkeypatch.setenv("ORCH_WEBHOOK_LOCAL", "1")
    old = DiscordNotifier(server.url)
    assert SECRET not in everything(notices, done, dead, old, *notices.list()) + caplog.text
    assert SECRET not in "".join(capsys.readouterr())
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert SECRET.encode() not in files


def test_without_an_address_nobody_is_to_be_told():
    with pytest.raises(orch.NotFound, match="DISCORD_WEBHOOK_URL, SLACK_WEBHOOK_URL, ORCH_WEBHOOK_URL"):
        orch.Notices()


STARTED, COMPLETE = "🚀 AI Orchestration - Execution Started", "✅ AI Orchestration - Execution Complete"


def told(server):
    return [heard["title"] for heard in server.heard]


def nightly(fails=False):
    graph = orch.Graph("nightly")

    @graph.task
    async def build() -> str:
        if fails:
            raise OSError("no room, says s3cr3t-pass")
        return "v1.tar"

    return graph


def test_a_run_tells_how_it_went(server, monkeypatch):
    notices = orch.Notices(webhook=server.url, local=True)
    report = orch.run_sync(nightly(), notify=notices)
    assert (told(server), report["build"]) == ([STARTED, COMPLETE], "v1.tar")
    facts = {fact["name"]: fact["value"] for fact in server.heard[1]["fields"]}
    assert (facts["Graph"], facts["Run"], facts["Succeeded"], facts["Failed"]) == ("nightly", report.run, "1", "0")

    server.heard.clear()
    monkeypatch.setenv("DEPLOY_PASSWORD", "s3cr3t-pass")
    with pytest.raises(orch.RunFailed):
        orch.run_sync(nightly(fails=True), notify=notices)
    assert told(server)[0] == STARTED
    assert "no room" in str(server.heard[1])
    assert "s3cr3t-pass" not in str(server.heard)


def test_a_run_waits_for_nobody_and_its_store_keeps_what_waits(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ORCH_WEBHOOK_URL", server.url)
    monkeypatch.setenv("ORCH_WEBHOOK_LOCAL", "1")
    server.answers = [(503, {"Retry-After": "3600"})] * 2
    store = orch.Store(tmp_path / "runs.db")
    with caplog.at_level(logging.WARNING, "orch"):
        report = orch.run_sync(nightly(), store=store, notify=True)
    assert report.state == "succeeded"
    assert "not everybody was told" in caplog.text
    assert SECRET not in caplog.text
    assert [letter.state for letter in orch.Notices(store).list()] == ["waiting", "waiting"]


def test_notify_needs_somebody_and_a_store(tmp_path, monkeypatch):
    for name in ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL", "ORCH_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(orch.InvalidValue, match="give `notify` a `store`"):
        orch.run_sync(nightly(), notify=True)
    with pytest.raises(orch.NotFound):
        orch.run_sync(nightly(), store=tmp_path / "runs.db", notify=True)
    with pytest.raises(orch.InvalidValue, match=r"give an orch\.Notices"):
        orch.run_sync(nightly(), notify="me")  # type: ignore[arg-type]
