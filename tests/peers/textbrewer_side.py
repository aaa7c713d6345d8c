"""TextBrewer's side of the comparison.

    prepare TEACHER DATA FOLDER        a teacher and a student without dropout, and the examples as tokens
    train EXPERIMENT RESULT            what EXPERIMENT describes, by TextBrewer
    measure RESULT METRICS COMMAND ... runs COMMAND, which writes METRICS

An experiment is one of Brewer's; the keys that matter here are read from it.
"""

import json
import pathlib
import resource
import subprocess
import sys
import time


def prepare(teacher, data, folder):
    """`teacher/`, `student/` with its layers 0 and 5, and `train.jsonl` with the tokens of the sentences in `data`."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = pathlib.Path(folder)
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    model = AutoModelForSequenceClassification.from_pretrained(teacher)
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        setattr(model.config, key, 0.0)
    model.save_pretrained(folder / "teacher")
    model.bert.encoder.layer = type(model.bert.encoder.layer)(model.bert.encoder.layer[index] for index in (0, 5))
    model.config.num_hidden_layers = 2
    model.save_pretrained(folder / "student")
    with open(data, encoding="utf-8") as rows, open(folder / "train.jsonl", "w", encoding="utf-8") as written:
        for row in map(json.loads, rows):
            ids = tokenizer(row["text"], truncation=True, max_length=64)["input_ids"]
            written.write(json.dumps({"input_ids": ids, "labels": row["label"]}) + "\n")


def batches(path, batch_size, examples):
    """Batches in the order of the file, padded to the longest of each."""
    import torch

    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:examples]
    made = []
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        longest = max(len(row["input_ids"]) for row in part)
        ids = [row["input_ids"] for row in part]
        made.append(
            {
                "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in ids]),
                "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
                "labels": torch.tensor([row["labels"] for row in part]),
            }
        )
    return made


def train(experiment, result):
    """Trains, and writes the losses and the time of every step."""
    import textbrewer
    import torch
    from transformers import AutoModelForSequenceClassification, get_linear_schedule_with_warmup

    experiment_file = pathlib.Path(experiment)
    experiment = json.loads(experiment_file.read_text())
    configuration = experiment["distillation"]
    matches = configuration.get("intermediate_matches", [])
    features = {match["feature"] for match in matches}

    def model(name):
        reads_maps = {"attn_implementation": "eager"} if "attention" in features else {}
        loaded = AutoModelForSequenceClassification.from_pretrained(experiment_file.parent / name, **reads_maps)
        loaded.config.output_hidden_states = "hidden" in features
        loaded.config.output_attentions = "attention" in features
        return loaded

    def adaptor(batch, outputs):
        adapted = {"logits": outputs.logits, "losses": outputs.loss, "inputs_mask": batch["attention_mask"]}
        if "hidden" in features:
            adapted["hidden"] = outputs.hidden_states
        if "attention" in features:
            adapted["attention"] = outputs.attentions
        return adapted

    student = model("student")
    training = textbrewer.TrainingConfig(device="cpu", output_dir=str(experiment_file.parent / "textbrewer"))
    if experiment["distiller"] == "trainer":
        distiller = textbrewer.BasicTrainer(training, student, adaptor)
    else:
        kind = {"basic": textbrewer.BasicDistiller, "general": textbrewer.GeneralDistiller}[experiment["distiller"]]
        settings = textbrewer.DistillationConfig(**configuration)
        distiller = kind(training, settings, model("teacher"), student, adaptor, adaptor)

    steps = []
    start = time.perf_counter()

    forward = distiller.train_on_batch

    def recorded(*arguments):
        made = forward(*arguments)
        total_loss = made[0] if isinstance(made, tuple) else made
        steps.append({"seconds": time.perf_counter() - start, "total_loss": total_loss.item()})
        return made

    distiller.train_on_batch = recorded
    data = batches(experiment_file.parent / "train.jsonl", experiment["data"]["batch_size"], None)
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=experiment["optimizer"]["lr"], weight_decay=experiment["optimizer"]["weight_decay"]
    )
    epochs = experiment["training"]["num_epochs"]
    schedule = {"num_warmup_steps": experiment["schedule"]["num_warmup_steps"], "num_training_steps": len(data) * epochs}
    with distiller:
        distiller.train(
            optimizer,
            data,
            num_epochs=epochs,
            scheduler_class=get_linear_schedule_with_warmup,
            scheduler_args=schedule,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pathlib.Path(result).write_text(json.dumps({"steps": steps, "peak_kib": peak}))


def measure(result, metrics, *command):
    """Runs Brewer, and looks at its metrics while they are written: when each step was done."""
    metrics = pathlib.Path(metrics)
    metrics.unlink(missing_ok=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    start, steps, seen = time.perf_counter(), [], 0
    while process.poll() is None:
        size = metrics.stat().st_size if metrics.exists() else 0
        if size > seen:
            seen = size
            lines = sum(b'"step"' in line for line in metrics.read_bytes().splitlines())
            steps += [time.perf_counter() - start] * (lines - len(steps))
        time.sleep(0.005)
    if process.returncode != 0:
        sys.exit(process.stderr.read().decode())
    losses = [json.loads(line)["total_loss"] for line in metrics.read_text().splitlines() if '"step"' in line]
    steps += [time.perf_counter() - start] * (len(losses) - len(steps))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    steps = [{"seconds": seconds, "total_loss": loss} for seconds, loss in zip(steps, losses, strict=True)]
    pathlib.Path(result).write_text(json.dumps({"steps": steps, "peak_kib": peak}))


if __name__ == "__main__":
    {"prepare": prepare, "train": train, "measure": measure}[sys.argv[1]](*sys.argv[2:])
