"""What a plugin of any role remembers from call to call."""

from .guard import export, guarded


def state(save, restore):
    """Lets the plugin's memory survive a run that is resumed. `save()` returns it as `bytes` or
    a `bytearray`, at each checkpoint;
    `restore(data)` makes it again what it was. Both are functions of the plugin's first module, and `plugin.json` says
    `"state": true`."""
    return export(
        save,
        "State",
        save=lambda _: guarded(lambda: _bytes(save())),
        restore=lambda _, data: guarded(lambda: restore(bytes(data))),
    )


def _bytes(saved) -> bytes:
    """What was saved, if it is bytes: of a number `bytes` makes as many zeros."""
    if not isinstance(saved, (bytes, bytearray)):
        raise TypeError(f"what saves the state returned {type(saved).__name__}; expected bytes or a bytearray")
    return bytes(saved)
