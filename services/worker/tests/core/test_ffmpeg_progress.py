"""Progress is read from pieces of any size."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from filemill_worker.core.progress import Progress, ProgressParser

OUTPUT = (
    b"frame=0\nfps=0.00\nout_time_us=N/A\nout_time=N/A\nspeed=N/A\nprogress=continue\n"
    b"frame= 12\nfps=0.00\nout_time_us=480000\nspeed=0.9x\nprogress=continue\n"
    b"frame=25\nbitrate= 741.2kbits/s\nout_time_us=1000000\nprogress=end\n"
)
READ = (Progress(), Progress(frames=12, seconds=0.48), Progress(frames=25, seconds=1.0, is_last=True))


class TestProgress:
    def test_each_block_is_one_report(self) -> None:
        assert ProgressParser().feed(OUTPUT) == READ

    @given(st.lists(st.integers(0, len(OUTPUT)), max_size=20))
    def test_it_does_not_matter_where_the_pieces_begin(self, cuts: list[int]) -> None:
        places = [0, *sorted(cuts), len(OUTPUT)]
        parser = ProgressParser()

        pieces = [OUTPUT[start:end] for start, end in itertools.pairwise(places)]

        assert tuple(found for piece in pieces for found in parser.feed(piece)) == READ

    @given(st.binary(max_size=200))
    def test_rubbish_is_ignored(self, rubbish: bytes) -> None:
        parser = ProgressParser()
        parser.feed(rubbish + b"\n")

        assert parser.feed(b"frame=7\nprogress=end\n")[-1].frames == 7

    def test_a_line_without_an_end_fills_no_memory(self) -> None:
        parser = ProgressParser()
        for _ in range(100):
            parser.feed(b"x" * 10_000)

        assert len(parser._rest) == 1_024
