//! The engine with a model of two parameters, whose gradients are known in closed form.

mod world;

use std::fs;

use serde_json::json;

use self::world::{EXAMPLES, LR, Plan, World};
use super::*;

/// The gradient of an example's loss.
fn gradient([slope, offset]: [f64; 2], (x, y): (i64, f64)) -> [f64; 2] {
    let error = slope * x as f64 + offset - y;
    [2.0 * error * x as f64, 2.0 * error]
}

#[track_caller]
fn assert_near(found: [f64; 2], expected: [f64; 2]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    }
}

/// Plain SGD over these batches of examples by their positions, one optimizer step each.
fn descended(steps: &[&[usize]]) -> [f64; 2] {
    steps.iter().fold([0.0, 0.0], |weights, batch| {
        let gradients = batch.iter().map(|example| gradient(weights, EXAMPLES[*example]));
        let sum = gradients.fold([0.0, 0.0], |sum: [f64; 2], next| [sum[0] + next[0], sum[1] + next[1]]);
        [0, 1].map(|index| weights[index] - LR * sum[index] / batch.len() as f64)
    })
}

#[test]
fn accumulated_gradients_are_averaged() {
    let epochs = json!({ "num_epochs": 2, "gradient_accumulation_steps": 2 });
    let (end, _, weights) = World::new(epochs, json!({})).without_momentum(LR).run();
    assert_eq!(end.unwrap().global_step, 4);
    // The fifth example is left over in each epoch.
    assert_near(weights, descended(&[&[0, 1], &[2, 3], &[0, 1], &[2, 3]]));
    let steps = json!({ "num_steps": 4, "gradient_accumulation_steps": 2 });
    let (_, _, weights) = World::new(steps, json!({})).without_momentum(LR).run();
    // Accumulation goes on across epochs.
    assert_near(weights, descended(&[&[0, 1], &[2, 3], &[4, 0], &[1, 2]]));
}

#[test]
fn events_come_in_order() {
    let world = World::new(json!({ "num_steps": 4, "ckpt_steps": 2 }), json!({ "every": 3 }));
    let (end, _, _) = world.run();
    assert_eq!(end.unwrap(), EndEvent { outcome: Outcome::Finished, global_step: 4, best: None });
    let expected = [
        "start 0",
        "step 0",
        "step 1",
        "evaluate",
        "evaluation 2",
        "callback 2",
        "checkpoint 2",
        "step 2",
        "evaluate",
        "evaluation 3",
        "step 3",
        "evaluate",
        "evaluation 4",
        "callback 4",
        "checkpoint 4",
        "end Finished",
    ];
    assert_eq!(*world.plan.log.borrow(), expected);
}

#[test]
fn a_callback_ends_the_run_after_its_checkpoint() {
    let world = World::new(json!({ "num_steps": 6, "ckpt_steps": 2 }), json!({}));
    world.plan.callback_stops_at.set(Some(4));
    for first in ["start 0", "start 4"] {
        // A run that was stopped stays stopped.
        let (end, _, _) = world.run();
        assert_eq!(end.unwrap(), EndEvent { outcome: Outcome::Stopped, global_step: 4, best: None });
        let log = world.plan.log.take();
        assert_eq!((log[0].as_str(), log.last().unwrap().as_str()), (first, "end Stopped"));
    }
    assert_eq!(world.checkpoints(), [2, 4]);
}

#[test]
fn a_batch_that_a_plugin_fails_on_is_skipped_as_often_as_the_settings_allow() {
    let mut world = World::new(json!({ "num_steps": 3 }), json!({})).without_momentum(LR);
    world.plan.adaptor_fails_at.set(Some(1));
    let (end, log, weights) = world.run();
    assert_eq!(end.unwrap_err().to_string(), "step 1: the adaptor failed");
    assert_near(weights, descended(&[&[0]]));
    assert_eq!(log.events.len(), 2, "a run that fails has no end: {:?}", log.events);

    world.settings.skip_batches = 1;
    let (end, log, weights) = world.run();
    end.unwrap();
    assert_near(weights, descended(&[&[0], &[2]]));
    let Event::Step(step) = &log.events[2] else { panic!("{:?}", log.events) };
    assert_eq!((step.num_examples, step.losses.len()), (0, 0));
    assert_eq!(step.skipped.as_deref(), Some("step 1: the adaptor failed"));
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing() {
    let world = World::new(json!({ "num_steps": 3, "ckpt_steps": 1 }), json!({})).without_momentum(1e20);
    let (end, log, weights) = world.run();
    let error = end.unwrap_err().to_string();
    assert!(error.starts_with("step 1: total_loss is inf"), "{error}");
    // They are those after the first step.
    let expected = gradient([0.0, 0.0], EXAMPLES[0]).map(|gradient| -1e20 * gradient);
    assert!(weights.iter().zip(expected).all(|(found, expected)| (found / expected - 1.0).abs() < 1e-6), "{weights:?}");
    assert!(!log.events.iter().any(|event| matches!(event, Event::End(_))), "{:?}", log.events);
    assert_eq!(world.checkpoints(), [1]);
}

/// Seven steps, an evaluation after each second and a checkpoint after each third, of which the best two and the last stay.
fn with_best() -> World {
    let save = json!({ "keep_last": 1, "keep_best": 2 });
    let training = json!({ "num_steps": 7, "ckpt_steps": 3, "save": save });
    World::new(training, json!({ "every": 2, "best": "dev_score" }))
}

#[test]
fn the_best_are_saved_between_checkpoints_and_stay() {
    let world = with_best();
    let (end, log, _) = world.run();
    let evaluations = log.evaluations();
    assert_eq!(evaluations.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [2, 3, 4, 6, 7]);
    // A checkpoint is where one is due, and where the student is better than at all checkpoints before.
    let mut saved: Vec<(u64, f64)> = vec![];
    for (step, score) in evaluations {
        if [3, 6, 7].contains(&step) || saved.iter().all(|(_, other)| score > *other) {
            saved.push((step, score));
        }
    }
    let told = |event: &Event| match event {
        Event::Checkpoint(checkpoint) => Some(checkpoint.global_step),
        _ => None,
    };
    let told: Vec<u64> = log.events.iter().filter_map(told).collect();
    assert_eq!(told, saved.iter().map(|(step, _)| *step).collect::<Vec<_>>());
    assert!(told.iter().any(|step| ![3, 6, 7].contains(step)), "{told:?}");

    saved.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    let (step, value) = saved[0];
    assert_eq!(end.unwrap().best, Some(Best { metric: "dev_score".to_owned(), value, global_step: step }));
    let mut stay = vec![saved[0].0, saved[1].0, 7];
    stay.sort_unstable();
    stay.dedup();
    assert_eq!(world.checkpoints(), stay);
}

#[test]
fn nothing_is_removed_for_a_checkpoint_that_cannot_be_saved() {
    let training = json!({ "num_steps": 3, "ckpt_steps": 1, "save": { "keep_last": 1 } });
    let world = World::new(training, json!({}));
    world.plan.interrupt_in_step.set(Some(1));
    world.run().0.unwrap();
    assert_eq!(world.checkpoints(), [1, 2]);
    world.plan.cannot_be_saved.set(true);
    assert_eq!(world.run().0.unwrap_err().to_string(), "the disk is full");
    assert_eq!(world.checkpoints(), [1, 2]);
}

#[test]
fn checkpoints_that_are_gone_are_not_counted_and_it_is_said() {
    let training = json!({ "num_steps": 4, "ckpt_steps": 1, "save": { "keep_last": 2 } });
    let world = World::new(training, json!({}));
    world.run().0.unwrap();
    assert_eq!(world.checkpoints(), [3, 4]);
    // When step-3 was saved, step-2 was there.
    fs::remove_file(world.out().join("checkpoints/step-4/manifest.json")).unwrap();
    let folder = RunFolder::open(&world.out()).unwrap();
    let resume = Resume::last_whole(&folder.checkpoints().unwrap(), vec![]).unwrap();
    assert_eq!(resume.state.saved.iter().map(|saved| saved.global_step).collect::<Vec<_>>(), [3]);
    let expected = [
        "the checkpoint step-4 is damaged (manifest.json is missing); step-3 is taken instead",
        "the checkpoint step-2, which was there beside step-3, is gone",
    ];
    assert_eq!(resume.notes, expected);
}

#[test]
fn damaged_lines_are_put_aside_once_however_often_a_run_is_resumed() {
    let world = World::new(json!({ "num_steps": 4, "ckpt_steps": 2 }), json!({}));
    world.plan.interrupt_in_step.set(Some(2));
    world.run().0.unwrap();
    let folder = RunFolder::open(&world.out()).unwrap();
    let lines = fs::read_to_string(folder.metrics()).unwrap();
    // A step of that number would be after all steps that there can be.
    let last = format!(r#"{{"step":{},"global_step":3,"epoch":0,"lr":1.0,"num_examples":1}}"#, u64::MAX);
    fs::write(folder.metrics(), format!("{lines}?\n{last}\n")).unwrap();
    let resume = Resume::last_whole(&folder.checkpoints().unwrap(), vec![]).unwrap();
    let damaged = world.out().join("metrics.damaged.jsonl");
    for _ in 0..2 {
        // What follows before the start may fail.
        let (_, notes) = MetricsLog::resume(&folder.metrics(), &resume).unwrap();
        assert_eq!(notes, ["1 line of metrics.jsonl could not be read, kept in metrics.damaged.jsonl"]);
        assert!(!damaged.exists());
    }
    let (mut metrics, _) = MetricsLog::resume(&folder.metrics(), &resume).unwrap();
    let timetable = Timetable::new(&world.settings.training, EXAMPLES.len()).unwrap();
    metrics.on_start(&StartEvent::new(&timetable, resume.state.step)).unwrap();
    assert_eq!(fs::read_to_string(damaged).unwrap(), "?\n");
    assert!(!fs::read_to_string(folder.metrics()).unwrap().contains('?'));
}

#[test]
fn a_run_that_is_broken_off_anywhere_is_resumed_to_the_same_bytes() {
    let whole = with_best();
    let (end, _, weights) = whole.run();
    assert_eq!(end.unwrap().outcome, Outcome::Finished);
    type Trouble = fn(&Plan, u64);
    let troubles: [(Trouble, [u64; 4]); 4] = [
        (|plan, step| plan.interrupt_in_step.set(Some(step)), [0, 1, 4, 6]),
        (|plan, number| plan.interrupt_in_evaluation.set(Some(number)), [0, 1, 2, 4]),
        (|plan, step| plan.interrupt_after_evaluation.set(Some(step)), [2, 3, 4, 7]),
        (|plan, step| plan.callback_fails_at.set(Some(step)), [2, 3, 6, 7]),
    ];
    for (trouble, places) in troubles {
        for at in places {
            let world = with_best();
            trouble(&world.plan, at);
            let (end, log, _) = world.run();
            assert!(end.as_ref().is_ok_and(|end| end.outcome == Outcome::Interrupted) || end.is_err(), "{at}: {end:?}");
            assert_eq!(matches!(log.events.last(), Some(Event::End(_))), end.is_ok());
            world.plan.interrupt_in_step.set(None);
            world.plan.interrupt_in_evaluation.set(None);
            world.plan.interrupt_after_evaluation.set(None);
            world.plan.callback_fails_at.set(None);
            let (end, _, resumed) = world.run();
            assert_eq!(end.unwrap().outcome, Outcome::Finished);
            assert_eq!(resumed, weights);
            let (found, expected) = (world.written(), whole.written());
            assert!(found.keys().eq(expected.keys()), "{at}: {:?}, {:?}", found.keys(), expected.keys());
            for (name, content) in expected {
                let (found, expected) = (String::from_utf8_lossy(&found[&name]), String::from_utf8_lossy(&content));
                assert!(found == expected, "{at}, {}:\n{found}\n{expected}", name.display());
            }
        }
    }
}
