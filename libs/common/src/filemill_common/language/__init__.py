"""The workflow language: definitions, their checks, and the expressions in them. All of it is pure."""

from filemill_common.language.checks import check_options
from filemill_common.language.document import dump, load
from filemill_common.language.expressions import evaluate, references, references_of, render
from filemill_common.language.model import (
    ConditionStep,
    Definition,
    EmailTarget,
    Item,
    MapStep,
    Notify,
    ParallelStep,
    Retry,
    Step,
    SubworkflowStep,
    TaskStep,
    UrlTarget,
    WaitStep,
)
from filemill_common.language.plan import Node, nodes
from filemill_common.language.problems import InvalidDefinitionError, Problem
from filemill_common.language.schema import check_input
from filemill_common.language.syntax import ExpressionError
from filemill_common.language.yaml_text import parse_yaml

__all__ = [
    "ConditionStep",
    "Definition",
    "EmailTarget",
    "ExpressionError",
    "InvalidDefinitionError",
    "Item",
    "MapStep",
    "Node",
    "Notify",
    "ParallelStep",
    "Problem",
    "Retry",
    "Step",
    "SubworkflowStep",
    "TaskStep",
    "UrlTarget",
    "WaitStep",
    "check_input",
    "check_options",
    "dump",
    "evaluate",
    "load",
    "nodes",
    "parse_yaml",
    "references",
    "references_of",
    "render",
]
