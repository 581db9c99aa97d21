"""The workflow language: definitions, their checks, and the expressions in them. All of it is pure."""

from filemill_common.language.checks import check_options
from filemill_common.language.document import dump, load
from filemill_common.language.expressions import references, render
from filemill_common.language.model import (
    Definition,
    EmailTarget,
    Notify,
    Retry,
    Step,
    UrlTarget,
)
from filemill_common.language.problems import InvalidDefinitionError, Problem
from filemill_common.language.schema import check_input
from filemill_common.language.syntax import ExpressionError
from filemill_common.language.yaml_text import parse_yaml

__all__ = [
    "Definition",
    "EmailTarget",
    "ExpressionError",
    "InvalidDefinitionError",
    "Notify",
    "Problem",
    "Retry",
    "Step",
    "UrlTarget",
    "check_input",
    "check_options",
    "dump",
    "load",
    "parse_yaml",
    "references",
    "render",
]
