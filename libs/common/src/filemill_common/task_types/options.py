"""What all options of task types have in common, and the options of the small types."""

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel


class Options(BaseModel):
    """Options of one task type: frozen, and an unknown name is an error.

    They are validated after expressions were rendered, so every value is a plain one. A number
    that stands in a string ("640") is accepted, because a template may have made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EchoOptions(RootModel[dict[str, JsonValue]]):
    """Any JSON object; it becomes the task's output."""

    model_config = ConfigDict(frozen=True)


class SleepOptions(Options):
    """How long to do nothing."""

    seconds: float = Field(ge=0, le=86_400, description="How long the task takes, in seconds.")


class FailOptions(Options):
    """How, and how often, to fail."""

    code: str = Field(
        "failed_on_purpose",
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="The stable code of the error.",
    )
    message: str = Field(
        "The task failed because it was asked to.",
        min_length=1,
        max_length=1_000,
        description="What the error says.",
    )
    retryable: bool = Field(True, description="Whether another attempt may be made.")
    times: int | None = Field(
        None,
        ge=0,
        description="How many attempts fail before one succeeds with an empty output; without it, all do.",
    )


class ProbeOptions(Options):
    """A probe has no options."""
