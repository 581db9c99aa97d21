import pytest

from filemill_common.storage import InvalidPathError, normalise, uri


class TestAPath:
    @pytest.mark.parametrize("path", ["clip.mp4", "in/clip.mp4", "a b/日本.mp4", "..a/b..", "x/.hidden"])
    def test_inside_the_storage_is_kept_as_it_is(self, path: str) -> None:
        assert normalise(path) == path

    def test_means_the_same_as_its_uri(self) -> None:
        assert normalise(uri("in/clip.mp4")) == "in/clip.mp4"

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/./b",
            "a//b",
            "a/",
            "a\\b",
            "a\0b",
            "a\nb",
            "file:///etc/passwd",
            "http://example.com/x",
            "C:x",
            "filemill://host/x",
            "filemill:////etc",
            "filemill:///../x",
            "objects/uploads/1",
            "\ud800",
            "x" * 1025,
        ],
    )
    def test_that_leaves_the_storage_is_refused(self, path: str) -> None:
        with pytest.raises(InvalidPathError):
            normalise(path)
