"""FHIR renderings: pure functions from a Measured to resources; one file per rendering, one table of all."""

from collections.abc import Callable

from cloud_bridge.fhir import r4
from cloud_bridge.fhir.part import IDENTIFIER_SYSTEM, Part, RenderError
from cloud_bridge.measured import Measured

__all__ = ["IDENTIFIER_SYSTEM", "RENDERINGS", "Part", "RenderError"]

RENDERINGS: dict[str, Callable[[Measured], list[Part]]] = {"r4": r4.render}
