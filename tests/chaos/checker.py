"""Whether what happened is what was promised, out of a journal and a dump alone.

It knows nothing of the services: it shares no code with them and believes only what independent witnesses
wrote down: processors, clients, the receiver of notifications, and MongoDB's operation log.
"""

from pathlib import Path

from tests.chaos import checker_rules
from tests.chaos.checker_facts import Facts, Json, Row, Verdict
from tests.chaos.journal import Line, read

__all__ = ["Row", "Verdict", "check", "judge"]


def check(journal: Path, dump: Json) -> Verdict:
    """Judge a run.

    Args:
        journal: Folder of the journal.
        dump: What `tests.chaos.dump.dump` collected when all was quiet.
    """
    return judge(read(journal), dump)


def judge(lines: list[Line], dump: Json) -> Verdict:
    """Judge a run by the lines of its journal, in the order of time, and its dump."""
    facts = Facts(lines, dump)
    return Verdict(tuple(Row.of(rule.__doc__ or "", rule(facts)) for rule in checker_rules.RULES))
