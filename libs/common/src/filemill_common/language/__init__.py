"""The workflow language: definitions, their checks, and the expressions in them. All of it is pure."""

from filemill_common.language.checks import check_options
from filemill_common.language.document import check_text, dump, load, pointers_of
from filemill_common.language.editor_schema import workflow_schema
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
from filemill_common.language.plan import Node, nodes, task_places
from filemill_common.language.problems import InvalidDefinitionError, Problem
from filemill_common.language.schema import check_input, check_value
from filemill_common.language.syntax import ExpressionError
from filemill_common.language.yaml_text import Places, parse_yaml, read_yaml

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
    "Places",
    "Problem",
    "Retry",
    "Step",
    "SubworkflowStep",
    "TaskStep",
    "UrlTarget",
    "WaitStep",
    "check_input",
    "check_options",
    "check_text",
    "check_value",
    "dump",
    "evaluate",
    "load",
    "nodes",
    "parse_yaml",
    "pointers_of",
    "read_yaml",
    "references",
    "references_of",
    "render",
    "task_places",
    "workflow_schema",
]
