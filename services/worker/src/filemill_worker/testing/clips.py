"""Small real files, good and bad, made by ffmpeg when a test session begins."""

import struct
import subprocess
import zlib
from pathlib import Path

_SOUND = ("-f", "lavfi", "-i", "sine=f=440:d=1")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def make_clips(folder: Path) -> None:
    """Fill a folder with files of at most a few seconds; their names say what they are."""
    clip = folder / "clip.mp4"
    _ffmpeg(*_picture(), *_SOUND, *_X264, "-c:a", "aac", str(clip))
    _ffmpeg(*_picture(), *_X264, str(folder / "silent.mp4"))
    _ffmpeg(*_picture(seconds=3), *_X264, "-movflags", "+faststart", str(folder / "faststart.mp4"))
    _ffmpeg(*_SOUND, str(folder / "sound.wav"))
    odd = ("-f", "lavfi", "-i", "testsrc=s=161x91:r=25:d=1")
    _ffmpeg(*odd, "-c:v", "ffv1", str(folder / "odd.mkv"))
    _ffmpeg("-i", str(clip), "-c", "copy", "-metadata:s:v", "rotate=90", str(folder / "turned.mp4"))
    _ffmpeg(*_picture(seconds=20, size="640x360"), *_X264, str(folder / "long.mp4"))
    (folder / "random.mp4").write_bytes(bytes(n * n * 7919 % 251 for n in range(50_000)))
    (folder / "empty.mp4").touch()
    (folder / "text.txt").write_text("Once upon a time.\n")
    for whole, half in (("clip.mp4", "truncated.mp4"), ("faststart.mp4", "damaged.mp4")):
        data = (folder / whole).read_bytes()
        (folder / half).write_bytes(data[: len(data) // 2])
    (folder / "bomb.png").write_bytes(_png_bomb(50_000))
    for name, text in _playlists(folder / "silent.mp4").items():
        (folder / name).write_text(text)


def _picture(*, seconds: int = 1, size: str = "160x90") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}")


def _ffmpeg(*arguments: str) -> None:
    command = ("ffmpeg", "-nostdin", "-v", "error", "-y", *arguments)
    subprocess.run(command, check=True)  # noqa: S603  ours


def _playlists(secret: Path) -> dict[str, str]:
    """Write playlists that call themselves videos and point at another file of this machine."""
    return {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{secret}'\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>file://{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    }


def _png_bomb(side: int) -> bytes:
    """Write a few bytes that promise a picture of ``side`` times ``side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
