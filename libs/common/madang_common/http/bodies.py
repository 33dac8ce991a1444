"""Base class of request bodies."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_MAX_FIELDS = 64


class Body(BaseModel):
    """A request body without unknown fields.

    The number of fields is limited, because each unknown one adds an error to the response.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _limit_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > _MAX_FIELDS:
            raise ValueError(f"at most {_MAX_FIELDS} fields")
        return given
