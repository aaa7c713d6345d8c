"""What a plugin of any role remembers from call to call."""

from .guard import export, guarded


def state(save, restore):
    """Lets the plugin's memory survive a run that is resumed. `save()` returns it as bytes, at each checkpoint;
    `restore(data)` makes it again what it was. Both are functions of the plugin's first module, and `plugin.json` says
    `"state": true`."""
    return export(
        save,
        "State",
        save=lambda _: guarded(lambda: bytes(save())),
        restore=lambda _, data: guarded(lambda: restore(bytes(data))),
    )
