//! A teacher whose classes are in another order than the student's.

use std::path::Path;

use brewer::adaptor::ByName;
use brewer::model::{LoadOptions, Model, load};
use brewer::train::{Branch, ForwardArguments};
use brewer::{Batch, Device, OutputRequest, Pass, Side, StepContext, Task};
use tch::{Kind, Tensor};

fn names(names: [&str; 3]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

fn teacher() -> Box<dyn Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/runs/basic_ce_t8/teacher_0");
    let labels = Some(names(["positive", "negative", "neutral"]));
    load(&folder, &LoadOptions { labels, ..LoadOptions::frozen(Device::Cpu) }).unwrap().model
}

fn batch(labels: &[i64]) -> Batch {
    let ids = Tensor::arange(4 * labels.len() as i64, (Kind::Int64, Device::Cpu)).view([-1, 4]);
    Batch::from_iter([("input_ids", ids), ("labels", Tensor::from_slice(labels))])
}

#[test]
fn logits_and_loss_are_about_the_students_labels() {
    let model = teacher();
    // The student's negative, neutral, positive and none, as the teacher counts them.
    let everything = OutputRequest::everything();
    let mut pass = Pass::evaluation(&everything);
    model.forward(&batch(&[1, 2, 0, -100]), &mut pass).unwrap();
    let own = pass.into_outputs();
    let order = Tensor::from_slice(&[1_i64, 2, 0]);
    let expected = own.tensor("logits").unwrap().index_select(1, &order);

    let branch = Branch::new(Side::Teacher(0), None, model.into(), ForwardArguments::default(), Box::new(ByName));
    let mut branch =
        branch.with_classes(&Task::SingleLabel { labels: names(["negative", "neutral", "positive"]) }).unwrap();
    let labels = [0, 1, 2, -100];
    let (features, outputs) = branch.features(&batch(&labels), &StepContext::default(), None).unwrap();
    assert!(features.logits[0].equal(&expected));
    assert!(outputs.tensor("loss").unwrap().equal(own.tensor("loss").unwrap()));
    // What is compared with the student's labels is in the student's order.
    assert!(features.labels[0].equal(&Tensor::from_slice(&labels)));
}
