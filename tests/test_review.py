"""``atme review``: a person decides in a real browser, and nothing that was decided is lost."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_page import in_browser, kept, needs_chromium, reviewing, served, shown
from test_cli import atme
from user_errors import check, check_line, complaint, raises

from recognizer.errors import AtmeError
from spotting.reviews.file import read_review
from stream.records.find_sessions import sessions_in
from stream.records.fingerprint import fingerprint
from stream.records.recorded_session import read_session
from stream.review.candidates import movements_of
from stream.review.coder import coder_name
from stream.review.server.gate import HEADERS
from stream.review.server.serve import listen
from stream.review.video.find import find_video, open_reader


@pytest.fixture
def session(sample_folder, tmp_path) -> Path:
    """One rejected movement (blink, at 0.3 s) and one event (at 1.2 s), with the recording where it was."""
    folder = Path(shutil.copytree(sample_folder, tmp_path / "s"))
    rejected = (folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    blinks = [line for line in rejected if json.loads(line)["onset"] == 0.3]
    (folder / "rejected.jsonl").write_text("\n".join(blinks) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def ids(session) -> tuple[str, str]:
    first, second = (one.id for one in movements_of(read_session(session)))
    return first, second


def ask(link: str, method: str = "GET", path: str = "/", **headers: str) -> http.client.HTTPResponse:
    """One request to the server, with these headers and no others but Host."""
    address = urlsplit(link)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return connection.getresponse()


# ---- in the browser


@needs_chromium
def test_a_session_is_decided_by_keys_alone(browser, session, ids):
    with served(session) as link, in_browser(browser, link) as page:
        shown(page, ids[0])
        assert page.inner_text("#number") == "1 of 2"
        assert "blink" in page.inner_text("#opinion")
        page.keyboard.press("n")
        shown(page, ids[1])
        page.keyboard.press("2")
        page.keyboard.press("p")
        page.keyboard.type("12B+l4")
        page.keyboard.press("Enter")
        page.keyboard.press("t")
        page.keyboard.type("quick <smile>")
        page.keyboard.press("Enter")
        page.get_by_text("2 of 2 decided").wait_for()
        kept(page, f"{ids[1]} yes")
    standing = read_review(session, "ana").standing
    assert standing[ids[0]].verdict == "no"
    smile = standing[ids[1]]
    assert (smile.verdict, smile.label, smile.note) == ("yes", "positive", "quick <smile>")
    assert [(u.unit, u.side, u.intensity) for u in smile.units] == [(12, "B", "B"), (4, "L", None)]


@needs_chromium
def test_a_killed_review_has_lost_nothing_and_goes_on_where_it_stood(browser, session, ids):
    with reviewing(session, "--coder", "ana") as (process, link), in_browser(browser, link) as page:
        page.keyboard.press("u")
        kept(page, f"{ids[0]} unsure")
        os.kill(process.pid, signal.SIGKILL)
    assert read_review(session, "ana").standing[ids[0]].verdict == "unsure"
    with served(session) as link, in_browser(browser, link) as page:
        shown(page, ids[1])
        assert page.inner_text("#count") == "1 of 2 decided"


@needs_chromium
@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_looks_right_in_light_and_dark(browser, session, ids, tmp_path, scheme, dark):
    with served(session) as link, in_browser(browser, link, color_scheme=scheme) as page:
        shown(page, ids[0])
        page.screenshot(path=tmp_path / "page.png")
    picture = cv2.imread(str(tmp_path / "page.png"))
    assert (np.median(picture) < 80) == dark
    assert picture[120:500, 60:480].std() > 20, "the face is on the left"


# ---- who may talk to it


def test_only_the_link_opens_the_review_and_only_once(session):
    with served(session) as link:
        address = urlsplit(link)
        assert address.hostname == "127.0.0.1"
        assert ask(link, path="/").status == 403
        assert ask(link, path="/api/sessions").status == 403
        assert ask(link, path="/?token=guessed").status == 403
        first = ask(link, path=f"/?{address.query}")
        assert first.status == 303
        cookie = first.getheader("set-cookie")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        own = cookie.split(";")[0]
        assert ask(link, path=f"/?{address.query}").status == 403, "the token is good once"
        assert ask(link, path=f"/?{address.query}", Cookie=own).status == 303, "a reload is no stranger"
        assert ask(link, path="/api/sessions", Cookie=own).status == 200
        assert ask(link, path="/api/sessions", Cookie=own[:-1] + "x").status == 403


def opened(link: str) -> str:
    """The cookie that the link is exchanged for."""
    return ask(link, path=f"/?{urlsplit(link).query}").getheader("set-cookie").split(";")[0]


def test_pages_from_elsewhere_are_refused(session):
    with served(session) as link:
        cookie, port = opened(link), urlsplit(link).port
        own = f"http://127.0.0.1:{port}"
        assert ask(link, path="/api/sessions", Cookie=cookie, Host=f"evil.example:{port}").status == 403
        assert ask(link, path="/api/sessions", Cookie=cookie, Origin="http://evil.example").status == 403
        assert ask(link, path="/api/sessions", Cookie=cookie, Origin="null").status == 403
        assert ask(link, path="/api/sessions", Cookie=cookie, Sec_Fetch_Site="cross-site").status == 403
        assert ask(link, "POST", "/api/0/undo", Cookie=cookie).status == 403, "no Origin"
        assert ask(link, "POST", "/api/0/undo", Cookie=cookie, Origin=own).status == 409, "no tab"
        assert ask(link, path="/api/sessions", Cookie=cookie, Origin=own).status == 200


def test_every_answer_forbids_what_the_page_does_not_need(session):
    with served(session) as link:
        cookie = opened(link)
        for path in ("/", "/page/review.js", "/api/0", "/nowhere"):
            answer = ask(link, path=path, Cookie=cookie)
            for name, value in HEADERS.items():
                assert answer.getheader(name) == value, path
        assert ask(link, path="/").getheader("content-security-policy")
        policy = HEADERS["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_no_path_leads_out_of_the_page(session):
    with served(session) as link:
        cookie = opened(link)
        for path in (
            "/page/../application.py",
            "/page/%2e%2e/application.py",
            "/page/..%2f..%2fcli.py",
            "/page//etc/passwd",
            "/api/1",
            "/api/0/loop/..%2f..%2fevents.jsonl",
            "/api/0/movement/none",
            "/api/0/stretch?from=0&to=1e9",
            "/api/0/stretch?from=nan&to=1",
        ):
            answer = ask(link, path=path, Cookie=cookie)
            assert answer.status in (404, 409), path
            assert b"import" not in answer.read()


def test_the_page_asks_for_nothing_outside():
    folder = Path(__file__).resolve().parents[1] / "stream" / "review" / "page"
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", "").replace(
            "//\n", ""
        ), path
        assert "innerHTML" not in text, path


# ---- what is decided


def post(link: str, cookie: str, path: str, body: object) -> tuple[int, dict]:
    address = urlsplit(link)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{address.port}"}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def told(link: str, cookie: str, path: str = "/api/0") -> dict:
    return json.loads(ask(link, path=path, Cookie=cookie).read())


def decision(movement: str, tab: int, **more: object) -> dict:
    return {
        **{"movement": movement, "verdict": "yes", "onset": 0.3, "apex": 0.42, "offset": 0.55, "tab": tab},
        **more,
    }


def test_undo_goes_back_step_by_step_and_erases_nothing(session, ids):
    with served(session) as link:
        cookie = opened(link)
        tab = told(link, cookie)["tab"]
        for verdict in ("no", "yes"):
            post(link, cookie, "/api/0/decide", decision(ids[0], tab, verdict=verdict))
        assert post(link, cookie, "/api/0/undo", {"tab": tab})[1]["decision"]["verdict"] == "no"
        assert post(link, cookie, "/api/0/undo", {"tab": tab})[1] == {"movement": ids[0], "decision": None}
        assert post(link, cookie, "/api/0/undo", {"tab": tab})[1] == {"movement": None, "decision": None}
    review = read_review(session, "ana")
    assert review.standing == {}
    assert len(review.lines) == 4


def test_of_two_decisions_that_overtake_one_another_the_later_counts(session, ids):
    with served(session) as link:
        cookie = opened(link)
        tab = told(link, cookie)["tab"]
        for made, verdict in ((2, "yes"), (1, "no"), (3, "unsure"), (2, "no")):
            body = decision(ids[0], tab, verdict=verdict, made=made)
            assert post(link, cookie, "/api/0/decide", body)[0] == 200
    assert [one.decision.verdict for one in read_review(session, "ana").lines] == ["yes", "unsure"]


def test_a_second_tab_takes_over_and_the_first_is_told(session, ids):
    with served(session) as link:
        cookie = opened(link)
        first, second = told(link, cookie)["tab"], told(link, cookie)["tab"]
        status, answer = post(link, cookie, "/api/0/decide", decision(ids[0], first))
        assert (status, answer["code"]) == (409, "busy")
        check_line(answer["error"])
        assert post(link, cookie, "/api/0/decide", decision(ids[0], second))[0] == 200
    assert read_review(session, "ana").standing.keys() == {ids[0]}


WRONG = (
    {"verdict": "perhaps"},
    {"label": "joy"},
    {"onset": None},
    {"apex": 9.0},
    {"offset": 1e12},
    {"movement": "../events"},
    {"movement": "1-2-3"},
    {"units": [{"unit": 3}]},
    {"units": [{"unit": 12, "side": "M"}]},
    {"units": [{"unit": 12, "intensity": "F"}]},
    {"units": 12},
    {"note": "x" * 100_000},
)


def test_nothing_that_no_page_asks_for_is_kept(session, ids):
    with served(session) as link:
        cookie = opened(link)
        tab = told(link, cookie)["tab"]
        for wrong in WRONG:
            status, answer = post(link, cookie, "/api/0/decide", {**decision(ids[0], tab), **wrong})
            unknown = wrong == {"movement": "1-2-3"}
            assert (status, answer["code"]) == (409, "not-found" if unknown else "invalid"), wrong
            check_line(answer["error"])
    assert read_review(session, "ana").lines == ()


def test_a_blind_coder_is_told_nothing_before_the_decision(session, ids):
    """Nor with it, for class and units are yet to come: only who comes back to a movement sees it."""
    with served(session, blind=True) as link:
        cookie = opened(link)
        about = told(link, cookie)
        assert {key for one in about["movements"] for key in one} == {"id", "onset", "apex", "offset"}
        assert told(link, cookie, f"/api/0/movement/{ids[0]}")["opinion"] is None
        for label in (None, "negative"):
            _, answer = post(link, cookie, "/api/0/decide", decision(ids[0], about["tab"], label=label))
            assert answer["opinion"] is None
        assert told(link, cookie, f"/api/0/movement/{ids[1]}")["opinion"] is None
        assert read_review(session, "ana").standing[ids[0]].blind
        assert told(link, cookie, f"/api/0/movement/{ids[0]}")["opinion"]["reason"] == "blink"
        post(link, cookie, "/api/0/decide", decision(ids[0], about["tab"], verdict="no"))
    assert not read_review(session, "ana").standing[ids[0]].blind, "decided again, knowing what it thought"


def test_ctrl_c_ends_it_and_says_what_was_decided(session, ids):
    with reviewing(session, "--coder", "ana") as (process, link):
        cookie = opened(link)
        tab = told(link, cookie)["tab"]
        post(link, cookie, "/api/0/decide", decision(ids[0], tab))
        process.send_signal(signal.SIGINT)
        words, complaints = process.communicate(timeout=120)
    assert process.returncode == 0
    assert words.splitlines()[-1] == f"{session / 'review-ana.jsonl'}: 1 of 2 decided"
    assert "Traceback" not in complaints


def test_two_reviews_of_one_coder_are_refused_and_of_two_coders_are_not(session):
    with served(session, "ana"):
        done = atme("review", session, "--coder=ana", "--no-open", cwd=session.parent, expected=2)
        complaint(done, session / "review-ana.jsonl")
        with served(session, "ben"):
            pass


def test_a_port_in_use_is_one_line(session):
    with served(session) as link, raises("busy", urlsplit(link).port):
        listen(urlsplit(link).port)
    with raises("invalid", 65536):
        listen(65536)


def test_a_recording_that_has_changed_is_told_from_one_that_is_gone(session, short_clip, tmp_path):
    clip = Path(shutil.copy(short_clip, tmp_path / "clip.mp4"))
    about = json.loads((session / "session.json").read_text(encoding="utf-8"))
    about["source"] |= {"recording": str(clip), "fingerprint": fingerprint(clip)}
    (session / "session.json").write_text(json.dumps(about), encoding="utf-8")
    recorded = read_session(session)
    assert find_video(recorded).path == clip
    with clip.open("ab") as file:
        file.write(b"more")
    with raises("mismatch", clip):
        open_reader(find_video(recorded), recorded)
    with raises("mismatch", clip):
        find_video(recorded, clip)
    clip.unlink()
    with raises("not-found", clip):
        open_reader(find_video(recorded), recorded)


# ---- files


def written(session: Path, *lines: str, end: str = "\n") -> Path:
    path = session / "review-ana.jsonl"
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return path


def line(number: int = 1, **more: object) -> str:
    return json.dumps(
        {
            **{"schema": 1, "line": number, "at": "2025-01-31T12:00:00.000+00:00", "movement": "1-2-3"},
            **{"verdict": "yes", "onset": 0.1, "apex": 0.2, "offset": 0.3, "label": None, **more},
        }
    )


def test_a_newer_review_file_is_left_alone(session):
    path = written(session, line(schema=2))
    before = path.read_bytes()
    done = atme("review", session, "--coder=ana", "--no-open", cwd=session.parent, expected=2)
    complaint(done, path, "format 2")
    assert path.read_bytes() == before


def test_half_a_line_at_the_end_costs_that_line_only(session, ids):
    path = written(session, line(1, movement=ids[0]), line(2)[:40], end="")
    assert read_review(session, "ana").cut_off
    with served(session) as link:
        cookie = opened(link)
        about = told(link, cookie)
        assert about["decisions"].keys() == {ids[0]}
        assert post(link, cookie, "/api/0/decide", decision(ids[1], about["tab"]))[0] == 200
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert read_review(session, "ana").standing.keys() == {*ids}


@pytest.mark.parametrize(
    "damage",
    [line(verdict="maybe"), line(apex=5), line(at=7), line(schema="1"), "[]", line(onset=10**400), "{}"],
)
def test_a_line_that_no_review_writes_is_named(session, damage):
    written(session, line(), damage)
    with raises("unreadable", session / "review-ana.jsonl", "line 2 "):
        read_review(session, "ana")


def test_damage_in_the_middle_is_not_taken_for_a_cut_off_end(session):
    written(session, line(1), '{"half', line(3))
    with raises("unreadable", session / "review-ana.jsonl", "line 2 "):
        read_review(session, "ana")


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 41, "-x", "ä"])
def test_a_coders_name_stays_in_the_folder(session, name):
    for read in (lambda: coder_name(name), lambda: read_review(session, name)):
        with raises("invalid", name):
            read()


def test_what_is_no_session_is_one_line(session, tmp_path):
    for path in (session / "faces", tmp_path / "none"):
        with raises("not-found", path):
            sessions_in(path)


@given(st.data())
def test_whatever_is_done_to_a_review_it_is_read_or_refused_in_one_line(tmp_path_factory, data):
    """Bytes changed, cut out and put in at any place."""
    whole = "\n".join(
        (line(1), line(2, verdict="no"), '{"schema": 1, "line": 3, "at": "", "undoes": 2}')
    ).encode()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole)))
        gone = data.draw(st.integers(0, 6))
        whole = whole[:place] + data.draw(st.binary(max_size=6)) + whole[place + gone :]
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "review-ana.jsonl").write_bytes(whole)
    try:
        read_review(folder, "ana")
    except AtmeError as error:
        check(error, "unreadable", folder / "review-ana.jsonl")
    shutil.rmtree(folder)
