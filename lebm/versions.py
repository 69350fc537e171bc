"""Settings in files of another version: those that are read by name and have no place here."""

from __future__ import annotations

from typing import Any

import msgspec


def unread_settings(text: bytes | str | msgspec.Raw, config: Any) -> list[str]:
    """Names in a config's JSON that its class has no field for, as `outer.inner`.

    Args:
        text: an object that was read as this config.
        config: a dataclass, or what `msgspec.to_builtins` makes of one.
    """
    said = msgspec.json.decode(text, type=dict[str, msgspec.Raw])  # whose values stay unread
    known = msgspec.to_builtins(config, enc_hook=str)  # a path has no JSON of its own
    names = [name for name in said if name not in known]
    for name, inside in known.items():
        if isinstance(inside, dict) and name in said:
            names += [f"{name}.{inner}" for inner in unread_settings(said[name], inside)]
    return names
