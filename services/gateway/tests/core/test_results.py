"""Files are found in outputs, and shown by what they are."""

import pytest

from filemill_gateway.core.results import FileShown, file_at, files_in


def test_files_are_found_at_whatever_depth_each_once() -> None:
    film = {"file": "filemill:///a/film.webm", "digest": "sha256:1", "size": 9, "content_type": "video/webm"}
    outputs = [("one", film), ("all", {"items": [{"output": film}, {"output": {**film, "file": "b.jpg"}}]})]

    assert files_in(outputs) == (
        FileShown("a/film.webm", "video/webm", 9, "one"),
        FileShown("b.jpg", "video/webm", 9, "all"),
    )


@pytest.mark.parametrize(
    "output",
    [
        None,
        "x",
        {"file": "a.jpg"},
        {"file": 1, "digest": "d"},
        {"file": "../a", "digest": "d"},
        {"file": "", "digest": ""},
    ],
)
def test_what_names_no_file_of_ours_is_none(output: object) -> None:
    assert files_in([("a", output)]) == ()


def test_an_endless_depth_is_not_followed() -> None:
    deep: dict[str, object] = {"file": "a.jpg", "digest": "d"}
    for _ in range(50):
        deep = {"in": deep}

    assert files_in([("a", deep)]) == ()


@pytest.mark.parametrize(
    ("content_type", "preview"),
    [
        ("image/png", "image"),
        ("image/svg+xml", "none"),
        ("video/webm", "video"),
        ("audio/mpeg", "audio"),
        ("text/plain", "text"),
        ("application/json", "text"),
        ("text/html", "text"),
        ("application/zip", "none"),
        ("", "none"),
    ],
)
def test_a_file_is_shown_as_what_it_is(content_type: str, preview: str) -> None:
    assert FileShown("a", content_type).preview == preview


def test_a_path_that_can_be_none_is_no_file() -> None:
    assert file_at("filemill:///in/a.mp4") == FileShown("in/a.mp4")
    assert [file_at(path) for path in ("/etc/passwd", "http://x", None, 7)] == [None] * 4
