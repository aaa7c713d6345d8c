"""The role of a batch post-processor."""

from .guard import export, guarded
from .types import Context, EditableBatch


def batch_postprocessor(process):
    """Makes a function the plugin's batch post-processor. It takes `batch`, a mapping that can be changed, and `context`,
    and changes the batch before the models see it; it may return another one that it made of it."""

    def run(context, batch):
        editable = EditableBatch(batch)
        changed = process(editable, Context(context))
        return (editable if changed is None else changed)._handle

    return export(process, "BatchPostprocessor", process=lambda _, context, batch: guarded(lambda: run(context, batch)))
