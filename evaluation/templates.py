"""The templates of pages lie beside the code that fills them, and escape what they are given."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def open_templates() -> Environment:
    """Templates of this folder; a name that nobody fills is an error and not a gap in the page."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
