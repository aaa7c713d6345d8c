"""The surer the teacher is of an example, the higher its temperature."""

from brewer_sdk import temperature_scheduler


@temperature_scheduler
def choose(student, teacher, base):
    return teacher.softmax(-1).amax(-1) * base
